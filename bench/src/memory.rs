// SPDX-License-Identifier: GPL-2.0

//! How much memory something takes up: by what the memory cgroup is charged, and by what the
//! machine has free.

use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

const ROOT: &str = "/sys/fs/cgroup";
const CURRENT: &str = "memory.current";

/// A cgroup for this process alone, as long as this lives.
pub struct Cgroup {
    folder: PathBuf,
    before: PathBuf,
}

impl Cgroup {
    /// Makes one, or says why not: then [`Level`] has what is free alone.
    pub fn enter() -> Option<Self> {
        match Self::try_enter() {
            Ok(cgroup) => Some(cgroup),
            Err(err) => {
                eprintln!("bench: no memory cgroup of our own: {err:#}");
                None
            }
        }
    }

    fn try_enter() -> Result<Self> {
        let before = PathBuf::from(format!("{ROOT}{}", own()?));
        // Without effect where it is so already.
        let _ = fs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory");
        let folder = PathBuf::from(format!("{ROOT}/groups-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let cgroup = Self { folder, before };
        fs::write(cgroup.folder.join("cgroup.procs"), "0").context("cgroup.procs")?;
        fs::metadata(cgroup.folder.join(CURRENT)).context(CURRENT)?;
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::write(self.before.join("cgroup.procs"), "0");
        let _ = fs::remove_dir(&self.folder);
    }
}

/// This process's cgroup, of version 2.
fn own() -> Result<String> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"));
    Ok(path
        .context("no cgroup of version 2")?
        .trim_end_matches('/')
        .to_owned())
}

/// What processors keep at hand of free memory, in bytes, which MemFree leaves out: with few pages
/// free at the start, and many when something large has been freed, that would be most of it.
fn at_hand(zoneinfo: &str) -> f64 {
    const PAGE: f64 = 4096.0;
    let lines = zoneinfo.lines().map(str::trim);
    let counts = lines.filter_map(|line| line.strip_prefix("count:"));
    let counts = counts.filter_map(|count| count.trim().parse::<f64>().ok());
    counts.sum::<f64>() * PAGE
}

/// How much is used at one time.
pub struct Level {
    charged: Option<f64>,
    free: f64,
}

/// How much more is used, in bytes.
pub struct Used {
    /// By what the cgroup is charged.
    pub charged: Option<f64>,
    /// By what is free.
    pub free: f64,
}

impl Level {
    /// Now.
    pub fn now() -> Result<Self> {
        let number = |text: String| text.trim().parse::<f64>().ok();
        let charged = own()
            .ok()
            .and_then(|path| fs::read_to_string(format!("{ROOT}{path}/{CURRENT}")).ok())
            .and_then(number);
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let free = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("MemFree:"));
        let kilobytes = free.and_then(|free| number(free.replace("kB", "")));
        let free = kilobytes.context("/proc/meminfo has no MemFree")? * 1024.0;
        Ok(Self {
            charged,
            free: free + at_hand(&fs::read_to_string("/proc/zoneinfo")?),
        })
    }

    /// How much was taken from here to there.
    pub fn until(&self, later: &Self) -> Used {
        Used {
            charged: self
                .charged
                .zip(later.charged)
                .map(|(before, after)| after - before),
            free: self.free - later.free,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_at_hand_are_those_of_all_zones_and_processors() {
        let zoneinfo = "Node 0, zone DMA32\n  pages free 7\n  pagesets\n    cpu: 0\n              \
                        count:    63\n              high: 90\n    cpu: 1\n              count:    1\n";
        assert_eq!(at_hand(zoneinfo), 64.0 * 4096.0);
    }
}

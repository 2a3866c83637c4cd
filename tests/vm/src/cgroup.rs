// SPDX-License-Identifier: GPL-2.0

//! Memory cgroups, which count to the byte what the kernel allocates for their processes.

use crate::group::fresh_id;
use crate::process::{Child, spawn, wait_until};
use crate::skip;
use nix::sys::mman::{MlockAllFlags, mlockall};
use std::fs;
use std::path::{Path, PathBuf};

const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;

/// A memory cgroup of this test's own.
pub struct Cgroup(PathBuf);

impl Cgroup {
    pub fn new() -> Self {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let mut cgroup2 = mounts.lines().filter(|line| line.contains(" cgroup2 "));
        let Some(root) = cgroup2.next().and_then(|line| line.split(' ').nth(1)) else {
            skip!("no cgroup2 file system is mounted");
        };
        let root = Path::new(root);
        if fs::write(root.join("cgroup.subtree_control"), "+memory").is_err() {
            skip!("there are no memory cgroups here");
        }
        let path = root.join(format!("groups-test-{}", fresh_id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Runs something in a process that belongs to this cgroup.
    pub fn run(&self, run: impl FnOnce()) {
        self.spawn(run).join();
    }

    /// Starts a child that belongs to this cgroup. What memory it has, it has from before, and for
    /// itself: none of it is charged to the cgroup, now or when it writes there.
    pub fn spawn(&self, run: impl FnOnce()) -> Child {
        spawn(|| {
            mlockall(MlockAllFlags::MCL_CURRENT).unwrap();
            fs::write(self.0.join("cgroup.procs"), "0").unwrap();
            run();
        })
    }

    /// Limits what may be charged to it, in bytes.
    pub fn limit(&self, bytes: u64) {
        fs::write(self.0.join("memory.max"), bytes.to_string()).unwrap();
    }

    /// The bytes that are charged to it.
    pub fn charged(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("memory.current")).unwrap();
        text.trim().parse().unwrap()
    }

    /// Fails unless nearly nothing is charged to it, now or soon: the kernel frees some things
    /// when it has time. No process may belong to it.
    pub fn assert_free(&self) {
        wait_until("a cgroup without processes is free of charges", || {
            self.give_back();
            self.charged() < 64 * KIB
        });
    }

    /// Has the kernel give back the charges that it keeps ready for this cgroup: for nobody's
    /// memory, up to 64 pages on each processor, until something makes it look for room.
    fn give_back(&self) {
        let high = self.0.join("memory.high");
        fs::write(&high, "0").unwrap();
        fs::write(&high, "max").unwrap();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

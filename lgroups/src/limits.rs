// SPDX-License-Identifier: GPL-2.0

//! A group's limits, which are attributes of its device in sysfs.

use crate::{Error, Result, Stage};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// Where the kernel shows the groups.
pub(crate) const CLASS: &str = "/sys/class/groups";

/// How much a group's messages may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message, in bytes.
    pub max_message_size: u64,
    /// All messages together, published and delayed, in bytes.
    pub max_storage_size: u64,
}

pub(crate) const MAX_MESSAGE_SIZE: &str = "max_message_size";
pub(crate) const MAX_STORAGE_SIZE: &str = "max_storage_size";

/// The limits of the group whose device has this name.
pub(crate) fn read(device: &str) -> Result<Limits> {
    Ok(Limits {
        max_message_size: read_number(device, MAX_MESSAGE_SIZE)?,
        max_storage_size: read_number(device, MAX_STORAGE_SIZE)?,
    })
}

/// Sets them both, or none.
pub(crate) fn write(device: &str, limits: Limits) -> Result<()> {
    let before = read_number(device, MAX_MESSAGE_SIZE)?;
    write_number(device, MAX_MESSAGE_SIZE, limits.max_message_size)?;
    write_number(device, MAX_STORAGE_SIZE, limits.max_storage_size).inspect_err(|_| {
        // It worked a moment ago; if it does not now, the first error is the one to report.
        let _ = write_number(device, MAX_MESSAGE_SIZE, before);
    })
}

pub(crate) fn read_number(device: &str, attribute: &str) -> Result<u64> {
    let path = path(device, attribute);
    match parse(&read_attribute(&path)?) {
        Some(number) => Ok(number),
        None => Err(failed(&path, Stage::Read)(Errno::IO)),
    }
}

pub(crate) fn write_number(device: &str, attribute: &str, number: u64) -> Result<()> {
    let path = path(device, attribute);
    let file = open(&path, OFlags::WRONLY)?;
    // In one call: each is a new value for the kernel.
    rustix::io::write(&file, number.to_string().as_bytes())
        .map(|_| ())
        .map_err(failed(&path, Stage::Write))
}

/// An attribute's file.
pub(crate) fn path(device: &str, attribute: &str) -> PathBuf {
    Path::new(CLASS).join(device).join(attribute)
}

/// All that an attribute has to say.
pub(crate) fn read_attribute(path: &Path) -> Result<Vec<u8>> {
    let file = open(path, OFlags::RDONLY)?;
    let mut text = vec![0; 4096];
    let size = rustix::io::read(&file, &mut text).map_err(failed(path, Stage::Read))?;
    text.truncate(size);
    Ok(text)
}

fn open(path: &Path, flags: OFlags) -> Result<rustix::fd::OwnedFd> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed(path, Stage::Open))
}

fn failed(path: &Path, stage: Stage) -> impl FnOnce(Errno) -> Error {
    move |err| Error::Attribute {
        path: path.to_owned(),
        stage,
        source: err.into(),
    }
}

/// A decimal number and a newline.
fn parse(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_limit_is_a_number_and_a_newline() {
        assert_eq!(parse(b"100\n"), Some(100));
        assert_eq!(parse(b"18446744073709551615\n"), Some(u64::MAX));
        for wrong in [
            &b""[..],
            b"\n",
            b"100",
            b"-1\n",
            b"1 \n",
            b"\xff\n",
            b"18446744073709551616\n",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}

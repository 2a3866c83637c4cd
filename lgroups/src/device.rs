// SPDX-License-Identifier: GPL-2.0

//! Finds and opens the devices of groups.
//!
//! The path that programs use, `/dev/synch/groupN`, is made by udev, a moment after the group: so
//! it may have to be waited for. The module's own node, `/dev/groupN`, is there at once, and it is
//! what is used where no udev runs.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

const DEV: &str = "/dev";
const LINKS: &str = "/dev/synch";
const FIRST: &str = "group0";

/// How long udev is waited for.
const UDEV_TIME: Duration = Duration::from_secs(1);

/// An open file of the first group's device, for what is asked of the module rather than of a
/// group.
///
/// Everybody in this process uses the same one, for closing it publishes the first group's delayed
/// messages; but only as long as somebody has a group, so that the module can be unloaded
/// afterwards.
static CONTROL: Mutex<Weak<OwnedFd>> = Mutex::new(Weak::new());

/// Opens the first group's device, or finds it open.
pub(crate) fn control() -> Result<Arc<OwnedFd>> {
    let mut kept = CONTROL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(control) = kept.upgrade() {
        return Ok(control);
    }
    let control = match open_path(&Path::new(LINKS).join(FIRST)) {
        Err(Errno::NOENT) => open_path(&Path::new(DEV).join(FIRST)),
        result => result,
    };
    let control = Arc::new(control?);
    *kept = Arc::downgrade(&control);
    Ok(control)
}

/// Opens the device with this name, of a group that is there. On failure as well, says which path
/// it was.
pub(crate) fn open(name: &str) -> (PathBuf, Result<OwnedFd>) {
    let link = Path::new(LINKS).join(name);
    match open_when_there(&link) {
        Err(Errno::NOENT) => {}
        result => return (link, result),
    }
    let node = Path::new(DEV).join(name);
    let result = open_path(&node);
    (node, result)
}

fn open_path(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

/// Opens `link`, after waiting for udev to make it if need be. [`Errno::NOENT`]: it is not there.
fn open_when_there(link: &Path) -> Result<OwnedFd> {
    match open_path(link) {
        Err(Errno::NOENT) if udev_runs() => {}
        result => return result,
    }
    // Without means to wait, there is still the module's own node.
    let Ok(news) = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) else {
        return Err(Errno::NOENT);
    };
    let deadline = Instant::now() + UDEV_TIME;
    loop {
        // First watched, then looked at: so nothing that happens in between is missed.
        let folder = watch(&news, LINKS);
        if folder.is_err() {
            watch(&news, DEV).or(Err(Errno::NOENT))?;
        }
        match open_path(link) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
        // The folder may have been made when it was not yet watched for.
        if folder.is_err() && Path::new(LINKS).exists() && Instant::now() < deadline {
            continue;
        }
        if !wait_for(&news, PollFlags::IN, Some(deadline))? {
            return Err(Errno::NOENT);
        }
        while rustix::io::read(&news, &mut [0; 4096]).is_ok_and(|size| size > 0) {}
    }
}

fn udev_runs() -> bool {
    Path::new("/run/udev/control").exists()
}

fn watch(news: &OwnedFd, folder: &str) -> Result<()> {
    let events = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::ONLYDIR;
    inotify::add_watch(news, folder, events).map(|_| ())
}

/// Waits until one of these events is there, or the time is up. `false`: it is up.
///
/// [`Errno::INTR`] is left to the caller.
pub(crate) fn wait_for(
    fd: impl rustix::fd::AsFd,
    events: PollFlags,
    deadline: Option<Instant>,
) -> Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // What is too long for the kernel is waited for in parts.
        let part = left.map(|left| left.min(Duration::from_secs(1 << 30)));
        let timeout = part.map(|part| Timespec {
            tv_sec: part.as_secs() as _,
            tv_nsec: part.subsec_nanos().into(),
        });
        if poll(&mut [PollFd::new(&fd, events)], timeout.as_ref())? > 0 {
            return Ok(true);
        }
        if left == part {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_is_not_waited_for_without_end() {
        let (read, _write) = rustix::pipe::pipe().expect("pipe");
        let start = Instant::now();
        let deadline = start + Duration::from_millis(30);
        assert_eq!(wait_for(&read, PollFlags::IN, Some(deadline)), Ok(false));
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn what_is_there_is_not_waited_for() {
        let (read, write) = rustix::pipe::pipe().expect("pipe");
        rustix::io::write(&write, b"x").expect("write");
        assert_eq!(wait_for(&read, PollFlags::IN, None), Ok(true));
    }

    #[test]
    fn a_device_that_is_nowhere_is_not_there() {
        let (path, result) = open("group-of-nobody");
        assert_eq!(result.err(), Some(Errno::NOENT));
        assert_eq!(path, Path::new("/dev/group-of-nobody"));
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Groups and their open devices.

use crate::harness::patience;
use crate::sys::{self, INSTALL_GROUP, RawGroup, Result, install};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const DEFAULT_MESSAGE: usize = 100;
pub const DEFAULT_STORAGE: usize = 10_000;

/// A group that is there.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    pub id: Vec<u8>,
    pub number: u32,
}

impl Group {
    /// A group that nobody else uses, with the default limits and no messages.
    pub fn new() -> Self {
        let (result, group) = Self::install(fresh_id());
        assert_eq!(result, 1, "this id was not new: {group:?}");
        group
    }

    /// A new group with these limits.
    pub fn with_limits(max_message_size: usize, max_storage_size: usize) -> Self {
        let group = Self::new();
        group.set("max_message_size", max_message_size);
        group.set("max_storage_size", max_storage_size);
        group
    }

    /// What INSTALL_GROUP returns for this id, and the group.
    pub fn install(id: impl AsRef<[u8]>) -> (i32, Self) {
        let mut raw = RawGroup::new(&id);
        let result = install(group0(), INSTALL_GROUP, &mut raw).expect("INSTALL_GROUP");
        let group = Self {
            id: id.as_ref().to_vec(),
            number: number_of(raw.devname()),
        };
        (result, group)
    }

    /// The first group.
    pub fn zero() -> Self {
        Self {
            id: b"groups".to_vec(),
            number: 0,
        }
    }

    /// The path for programs. Waits until udev has made it.
    pub fn path(&self) -> PathBuf {
        let path = PathBuf::from(format!("/dev/synch/group{}", self.number));
        wait_for_path(&path);
        path
    }

    /// The node, which is there as soon as the group is. udev has yet to let everybody use it.
    pub fn node(&self) -> PathBuf {
        format!("/dev/group{}", self.number).into()
    }

    /// Opens the device for reading and writing.
    pub fn open(&self) -> Device {
        let device = OpenOptions::new().read(true).write(true).open(self.node());
        Device(device.unwrap_or_else(|err| panic!("{:?}: {err}", self.node())))
    }

    /// Where the group's attributes are.
    pub fn sysfs(&self, attribute: &str) -> PathBuf {
        format!("/sys/class/groups/group{}/{attribute}", self.number).into()
    }

    /// Sets a limit.
    pub fn set(&self, attribute: &str, value: usize) {
        self.try_set(attribute, value.to_string())
            .unwrap_or_else(|err| panic!("{value} into {:?}: {err}", self.sysfs(attribute)));
    }

    /// Writes into an attribute, by one system call.
    pub fn try_set(&self, attribute: &str, text: impl AsRef<[u8]>) -> Result<usize> {
        let file = OpenOptions::new().write(true).open(self.sysfs(attribute));
        let text = text.as_ref();
        sys::write_at(file.map_err(errno)?, text.as_ptr(), text.len())
    }

    /// The content of an attribute.
    pub fn get(&self, attribute: &str) -> Vec<u8> {
        let path = self.sysfs(attribute);
        std::fs::read(&path).unwrap_or_else(|err| panic!("{path:?}: {err}"))
    }
}

/// An open device.
#[derive(Debug)]
pub struct Device(File);

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Device {
    /// Opens this path.
    pub fn open(path: impl AsRef<Path>, read: bool, write: bool) -> Result<Self> {
        let file = OpenOptions::new().read(read).write(write).open(path);
        file.map(Self).map_err(errno)
    }

    pub fn write(&self, message: impl AsRef<[u8]>) -> Result<usize> {
        let message = message.as_ref();
        sys::write_at(self, message.as_ptr(), message.len())
    }

    /// Writes a message that has to be accepted.
    #[track_caller]
    pub fn send(&self, message: impl AsRef<[u8]>) {
        let message = message.as_ref();
        assert_eq!(self.write(message), Ok(message.len()), "write");
    }

    /// Reads into a buffer of `n` bytes, and returns what came.
    pub fn read(&self, n: usize) -> Result<Vec<u8>> {
        let mut buf = vec![0xa5; n];
        // SAFETY: The buffer is ours.
        let len = unsafe { sys::read_at(self, buf.as_mut_ptr(), n) }?;
        assert!(buf[len..].iter().all(|&b| b == 0xa5), "read wrote too much");
        buf.truncate(len);
        Ok(buf)
    }

    /// Reads a message of at most `max_message_size` bytes, as it is by default.
    pub fn receive(&self) -> Vec<u8> {
        self.read(DEFAULT_MESSAGE).expect("read")
    }

    /// Fails unless the queue is empty.
    #[track_caller]
    pub fn assert_empty(&self) {
        assert_eq!(self.read(1), Ok(vec![]), "the queue is not empty");
    }

    /// Sends `bytes` bytes, in messages of at most 100, which have to be accepted.
    #[track_caller]
    pub fn fill(&self, bytes: usize) {
        let filling = vec![b'f'; bytes];
        for message in filling.chunks(DEFAULT_MESSAGE) {
            self.send(message);
        }
    }

    /// Fails unless the group takes exactly `room` bytes and then no more.
    #[track_caller]
    pub fn assert_room(&self, room: usize) {
        self.fill(room);
        assert_eq!(
            self.write(b"m"),
            Err(nix::Error::ENOSPC),
            "there is room for more than {room} bytes"
        );
    }

    /// Takes all messages.
    pub fn drain(&self) -> Vec<Vec<u8>> {
        self.drain_up_to(DEFAULT_MESSAGE)
    }

    /// Reads all messages, of at most `size` bytes each.
    pub fn drain_up_to(&self, size: usize) -> Vec<Vec<u8>> {
        std::iter::repeat_with(|| self.read(size).expect("read"))
            .take_while(|message| !message.is_empty())
            .collect()
    }

    /// Fails unless the group is empty and can be filled to the brim. Leaves it empty.
    #[track_caller]
    pub fn assert_all_room(&self) {
        self.assert_empty();
        self.assert_room(DEFAULT_STORAGE);
        self.drain();
    }
}

pub fn errno(err: std::io::Error) -> nix::Error {
    nix::Error::from_raw(err.raw_os_error().unwrap_or(0))
}

/// The first group's device.
pub fn group0() -> Device {
    Device::open("/dev/synch/group0", true, true).expect("/dev/synch/group0")
}

/// An id that was not used before.
pub fn fresh_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // A process that has ended may have had the same number; the clock was not the same then.
    let now = std::time::UNIX_EPOCH.elapsed().expect("the clock");
    let id = format!(
        "{:08x}.{count:04x}.{:016x}",
        std::process::id(),
        now.as_nanos()
    );
    assert_eq!(id.len(), 30);
    id
}

/// The number of the group with this devname.
pub fn number_of(devname: &str) -> u32 {
    let number = devname.strip_prefix("group").map(str::parse);
    match number {
        Some(Ok(number)) => number,
        _ => panic!("{devname:?} is no device of a group"),
    }
}

/// Waits until there is something with this path, as long as udev may need.
pub fn wait_for_path(path: &Path) {
    if path.exists() {
        return;
    }
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).expect("inotify");
    let deadline = Instant::now() + Duration::from_secs(20) * patience();
    while !path.exists() {
        // The folder itself may be yet to come.
        let folder = path.ancestors().skip(1).find(|folder| folder.exists());
        let events = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let watched = folder.map(|folder| inotify.add_watch(folder, events));
        if path.exists() {
            break;
        }
        assert!(Instant::now() < deadline, "{path:?} does not appear");
        // Without a folder to watch, and for what the watch was too late for, look again.
        let wait = PollTimeout::from(if let Some(Ok(_)) = watched {
            500u16
        } else {
            20
        });
        poll(&mut [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)], wait).expect("poll");
        let _ = inotify.read_events();
    }
}

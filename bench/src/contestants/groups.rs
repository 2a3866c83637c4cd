// SPDX-License-Identifier: GPL-2.0

//! Groups. `max_message_size` is the experiment's size, and `max_storage_size` is that for as many
//! messages as it asks for. To block is a read with `SET_RECEIVE_TIMEOUT` -1, and `poll` for
//! `POLLOUT` where `write` says `ENOSPC`.

use super::{Buffer, Contestant, Setup, unless_empty};
use crate::results::Waiting;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Mutex;

/// `struct group_t` of include/groups.h
#[repr(C)]
pub struct RawGroup {
    id: [u8; 32],
    devname: [u8; 26],
}

nix::ioctl_none_bad!(sleep_on_barrier, nix::request_code_none!(b'x', 1));
nix::ioctl_none_bad!(awake_barrier, nix::request_code_none!(b'x', 2));
nix::ioctl_readwrite!(install_group, b'x', 3, RawGroup);
nix::ioctl_write_ptr!(set_send_delay, b'x', 4, u32);
nix::ioctl_none_bad!(revoke_delayed_messages, nix::request_code_none!(b'x', 5));
nix::ioctl_write_ptr!(set_receive_timeout, b'x', 6, i32);

/// An open group.
pub struct Device {
    file: File,
    name: String,
}

/// The id of one of the benchmark's groups.
pub fn id(number: usize) -> String {
    format!("bench-{number}")
}

/// Finds the group with this id, or makes it. Whether it was made, and its device's name.
pub fn install(any: &File, id: &str) -> Result<(bool, String)> {
    let mut group = RawGroup {
        id: [0; 32],
        devname: [0; 26],
    };
    ensure!(id.len() <= group.id.len(), "{id} is too long for an id");
    group.id[..id.len()].copy_from_slice(id.as_bytes());
    // SAFETY: The structure is ours, and of the type that the command takes.
    let made = unsafe { install_group(any.as_raw_fd(), &mut group) };
    let made = made.with_context(|| format!("INSTALL_GROUP {id}"))?;
    let name = group.devname.split(|&byte| byte == 0).next();
    let name = String::from_utf8(name.unwrap_or_default().to_vec())?;
    Ok((made == 1, name))
}

/// The first group, which is there when the module is loaded.
pub fn first() -> Result<File> {
    open("group0").context("is the module loaded?")
}

fn open(name: &str) -> Result<File> {
    let path = format!("/dev/{name}");
    let file = File::options().read(true).write(true).open(&path);
    file.context(path)
}

impl Device {
    /// Opens the benchmark's group of this number, with nothing in it.
    pub fn new(number: usize, max_message_size: usize, max_storage_size: usize) -> Result<Self> {
        let (_, name) = install(&first()?, &id(number))?;
        let device = Self {
            file: open(&name)?,
            name,
        };
        device.set("max_message_size", max_message_size)?;
        device.set("max_storage_size", max_storage_size)?;
        device.set_delay(0)?;
        device.drain()?;
        Ok(device)
    }

    fn set(&self, limit: &str, value: usize) -> Result<()> {
        let path = format!("/sys/class/groups/{}/{limit}", self.name);
        std::fs::write(&path, value.to_string()).context(path)
    }

    /// Takes all messages out, delayed ones too.
    pub fn drain(&self) -> Result<()> {
        self.flush()?;
        while read(&self.file, &mut [0; 8])? > 0 {}
        Ok(())
    }

    /// The delay of messages that are sent from now on, in milliseconds.
    pub fn set_delay(&self, ms: u32) -> Result<()> {
        // SAFETY: The number is ours, and of the type that the command takes.
        unsafe { set_send_delay(self.file.as_raw_fd(), &ms) }.context("SET_SEND_DELAY")?;
        Ok(())
    }

    /// How long a read waits, in milliseconds; -1: without end.
    pub fn set_timeout(&self, ms: i32) -> Result<()> {
        // SAFETY: As above.
        unsafe { set_receive_timeout(self.file.as_raw_fd(), &ms) }
            .context("SET_RECEIVE_TIMEOUT")?;
        Ok(())
    }

    /// Discards what is delayed.
    pub fn revoke(&self) -> Result<()> {
        // SAFETY: The command takes no argument.
        unsafe { revoke_delayed_messages(self.file.as_raw_fd()) }.context("REVOKE")?;
        Ok(())
    }

    /// Makes available what is delayed.
    pub fn flush(&self) -> Result<()> {
        nix::unistd::fsync(&self.file).context("fsync")
    }

    /// Sleeps until the barrier is awoken.
    pub fn sleep(&self) -> nix::Result<()> {
        // SAFETY: The command takes no argument.
        unsafe { sleep_on_barrier(self.file.as_raw_fd()) }.map(drop)
    }

    /// Awakes all who sleep. 0: they are awoken.
    pub fn awake(&self) -> nix::Result<i32> {
        // SAFETY: The command takes no argument.
        unsafe { awake_barrier(self.file.as_raw_fd()) }
    }
}

/// The numbers of the groups that are in use. Groups stay as long as the module does; so they are
/// used again.
static IN_USE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A number that is nobody else's as long as this lives.
struct Number(usize);

impl Number {
    fn take() -> Self {
        let mut in_use = IN_USE.lock().unwrap_or_else(|err| err.into_inner());
        let number = (0..).find(|number| !in_use.contains(number));
        let number = number.unwrap_or_default();
        in_use.push(number);
        Self(number)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        let mut in_use = IN_USE.lock().unwrap_or_else(|err| err.into_inner());
        in_use.retain(|&number| number != self.0);
    }
}

/// A group as a channel.
pub struct Groups {
    device: Device,
    waiting: Waiting,
    _number: Number,
}

impl Groups {
    /// The group.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl Contestant for Groups {
    const NAME: &'static str = "groups";
    const DEEPEST: usize = usize::MAX;

    fn new(setup: &Setup) -> Result<Self> {
        let number = Number::take();
        let device = Device::new(number.0, setup.size, setup.size * setup.depth)?;
        if setup.waiting == Waiting::Block {
            device.set_timeout(-1)?;
        }
        Ok(Self {
            device,
            waiting: setup.waiting,
            _number: number,
        })
    }

    fn send(&self, message: &Buffer) -> nix::Result<bool> {
        let file = &self.device.file;
        loop {
            match write(file, message.payload()) {
                Ok(_) => return Ok(true),
                Err(Errno::ENOSPC) if self.waiting == Waiting::Yield => return Ok(false),
                Err(Errno::ENOSPC) => {
                    let room = PollFd::new(file.as_fd(), PollFlags::POLLOUT);
                    poll(&mut [room], PollTimeout::NONE)?;
                }
                Err(errno) => return Err(errno),
            }
        }
    }

    fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>> {
        let received = unless_empty(read(&self.device.file, buffer.payload_mut()), Errno::EAGAIN)?;
        Ok(received.filter(|&size| size > 0))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let _ = self.device.set_timeout(0);
        let _ = self.device.drain();
    }
}

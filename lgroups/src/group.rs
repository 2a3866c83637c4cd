// SPDX-License-Identifier: GPL-2.0

//! A group, and what can be done with it.

use crate::barrier::Barrier;
use crate::device::{self, wait_for};
use crate::limits::{self, Limits};
use crate::sys::{self, Wait};
use crate::{Error, Result, info};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that a group's id may have.
pub const MAX_ID_SIZE: usize = sys::GROUP_ID_SIZE;

/// A group that this process has open.
///
/// Dropping it closes the group's device, and closing it [flushes](Group::flush) the group. To
/// wait for a message among other things, poll its file descriptor ([`AsFd`]): it is readable
/// while there is a message, and writable while there is room.
#[derive(Debug)]
pub struct Group {
    device: OwnedFd,
    path: PathBuf,
    name: String,
    made: bool,
    /// Kept open so that the next group that is installed finds it.
    _control: Option<Arc<OwnedFd>>,
}

impl Group {
    /// Finds the group with this id, or makes it; then opens it.
    ///
    /// The first time that a process does this it opens the first group's device too, and keeps
    /// it open until the last `Group` is dropped.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), lgroups::Error> {
    /// let group = lgroups::Group::install(b"kitchen \xf0\x9f\x8d\xb3")?;
    /// println!("{} made: {}", group.path().display(), group.was_made());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`], [`Error::InvalidId`], [`Error::NoGroupsLeft`], [`Error::Install`],
    /// [`Error::Device`]
    pub fn install(id: impl AsRef<[u8]>) -> Result<Self> {
        let id = padded(id.as_ref())?;
        Self::install_with(Self::control()?, &id)
    }

    /// Opens the group with this id if there is one; it makes none.
    ///
    /// It looks through the ids of all groups, and opens no other device than this group's.
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`], [`Error::InvalidId`], [`Error::Attribute`], [`Error::Device`]
    pub fn find(id: impl AsRef<[u8]>) -> Result<Option<Self>> {
        let id = id.as_ref();
        padded(id)?;
        match info::find(id)? {
            Some(name) => Self::open(name, false, None).map(Some),
            None => Ok(None),
        }
    }

    /// What is needed to install.
    pub(crate) fn control() -> Result<Arc<OwnedFd>> {
        device::control().map_err(|err| Error::NotLoaded { source: err.into() })
    }

    pub(crate) fn install_with(control: Arc<OwnedFd>, id: &[u8; MAX_ID_SIZE]) -> Result<Self> {
        let (made, name) = sys::install(&control, id).map_err(|err| match err {
            Errno::INVAL => Error::InvalidId,
            Errno::DQUOT => Error::NoGroupsLeft,
            err => Error::Install { source: err.into() },
        })?;
        Self::open(name, made, Some(control))
    }

    fn open(name: String, made: bool, control: Option<Arc<OwnedFd>>) -> Result<Self> {
        let (path, result) = device::open(&name);
        match result {
            Ok(device) => Ok(Self {
                device,
                path,
                name,
                made,
                _control: control,
            }),
            Err(err) => Err(Error::Device {
                path,
                made,
                source: err.into(),
            }),
        }
    }

    /// Whether the group was made when it was installed, rather than found.
    pub fn was_made(&self) -> bool {
        self.made
    }

    /// The group's device, as it was opened: `/dev/synch/groupN`, or `/dev/groupN` where udev does
    /// not make the first.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the group's device, without a path: `groupN`.
    pub fn device_name(&self) -> &str {
        &self.name
    }

    /// Sends a message: at once, or [delayed](Group::set_delay).
    ///
    /// # Errors
    ///
    /// [`Error::EmptyMessage`], [`Error::MessageTooLarge`], [`Error::StorageFull`], [`Error::Os`];
    /// then nothing was sent.
    pub fn send(&self, message: &[u8]) -> Result<()> {
        match rustix::io::write(&self.device, message) {
            Ok(_) => Ok(()),
            Err(Errno::BADMSG) => Err(Error::EmptyMessage),
            Err(Errno::MSGSIZE) => Err(Error::MessageTooLarge {
                size: message.len(),
            }),
            Err(Errno::NOSPC) => Err(Error::StorageFull),
            Err(err) => Err(Error::os("send a message")(err)),
        }
    }

    /// Takes the group's first message. `None`: there is none.
    ///
    /// It does not wait, unless [`set_receive_timeout`](Group::set_receive_timeout) says so. The
    /// message is always whole, whatever its size.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], [`Error::Os`]; then no message was taken.
    pub fn receive(&self) -> Result<Option<Vec<u8>>> {
        sys::receive(&self.device, Wait::AsSet).map_err(receive_failed)
    }

    /// As [`receive`](Group::receive), without an allocation. Returns the bytes in `buf` that are
    /// the message; what does not fit is lost. An empty `buf` takes no message.
    ///
    /// # Errors
    ///
    /// As [`receive`](Group::receive).
    pub fn receive_into<'a>(&self, buf: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        let size = sys::receive_into(&self.device, buf).map_err(receive_failed)?;
        Ok(size.map(|size| &buf[..size]))
    }

    /// Takes the group's first message; if there is none, waits for one, for this long. `None`:
    /// there was none.
    ///
    /// It concerns this call only, and other threads may receive from this `Group` at the same
    /// time. Where many wait for the messages of one group,
    /// [`set_receive_timeout`](Group::set_receive_timeout) is better.
    ///
    /// # Errors
    ///
    /// As [`receive`](Group::receive).
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(message) = self.receive_now()? {
                return Ok(Some(message));
            }
            if !wait_for(&self.device, PollFlags::IN, deadline).map_err(receive_failed)? {
                return Ok(None);
            }
        }
    }

    /// Takes the first message, and never waits.
    pub(crate) fn receive_now(&self) -> Result<Option<Vec<u8>>> {
        sys::receive(&self.device, Wait::No).map_err(receive_failed)
    }

    /// Sets how long [`receive`](Group::receive) and [`receive_into`](Group::receive_into) wait
    /// for a message from now on: in milliseconds, rounded up; [`Duration::ZERO`]: not at all;
    /// `None`: without end. One message wakes one of those who wait.
    ///
    /// It concerns this `Group`, not others of the same id. No thread is to be receiving from it
    /// that expects otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]
    pub fn set_receive_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        let ms = timeout.map_or(-1, |timeout| {
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        sys::set_receive_timeout(&self.device, ms).map_err(Error::os("set the receive timeout"))
    }

    /// The size of the message that [`receive`](Group::receive) would take. `None`: there is
    /// none. Somebody else may take it meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]
    pub fn first_size(&self) -> Result<Option<usize>> {
        match rustix::io::ioctl_fionread(&self.device) {
            Ok(0) => Ok(None),
            Ok(size) => Ok(Some(usize::try_from(size).unwrap_or(usize::MAX))),
            Err(err) => Err(Error::os("ask for the first message's size")(err)),
        }
    }

    /// Has the messages that anybody sends to the group from now on delayed by this many
    /// milliseconds, rounded up; [`Duration::ZERO`]: not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]; more than 49 days (`u32::MAX` milliseconds) are invalid.
    pub fn set_delay(&self, delay: Duration) -> Result<()> {
        u32::try_from(delay.as_nanos().div_ceil(1_000_000))
            .map_err(|_| Errno::INVAL)
            .and_then(|ms| sys::set_send_delay(&self.device, ms))
            .map_err(Error::os("set the delay"))
    }

    /// Discards all messages of the group whose delay has not run out.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]
    pub fn revoke(&self) -> Result<()> {
        sys::revoke_delayed_messages(&self.device).map_err(Error::os("revoke the delayed messages"))
    }

    /// Makes all delayed messages of the group available now, in the order in which they are due.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]
    pub fn flush(&self) -> Result<()> {
        rustix::fs::fsync(&self.device).map_err(Error::os("flush the delayed messages"))
    }

    /// The group's barrier.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), lgroups::Error> {
    /// # let group = lgroups::Group::install("kitchen")?;
    /// group.barrier().sleep()?;
    /// println!("somebody called awake()");
    /// # Ok(())
    /// # }
    /// ```
    pub fn barrier(&self) -> Barrier<'_> {
        Barrier { group: self }
    }

    /// The group's limits.
    ///
    /// # Errors
    ///
    /// [`Error::Attribute`]
    pub fn limits(&self) -> Result<Limits> {
        limits::read(&self.name)
    }

    /// Sets the group's limits, which only root may. What is stored stays.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), lgroups::Error> {
    /// # let group = lgroups::Group::install("kitchen")?;
    /// let limits = group.limits()?;
    /// group.set_limits(lgroups::Limits { max_message_size: 4096, ..limits })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Attribute`]; then they are as they were.
    pub fn set_limits(&self, limits: Limits) -> Result<()> {
        limits::write(&self.name, limits)
    }
}

fn receive_failed(err: Errno) -> Error {
    Error::os("receive a message")(err)
}

/// An id as the module takes it. In C, what follows a NUL or does not fit is left off; here it is
/// a mistake.
fn padded(id: &[u8]) -> Result<[u8; MAX_ID_SIZE]> {
    if id.is_empty() || id.len() > MAX_ID_SIZE || id.contains(&0) {
        return Err(Error::InvalidId);
    }
    let mut padded = [0; MAX_ID_SIZE];
    padded[..id.len()].copy_from_slice(id);
    Ok(padded)
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl AsRawFd for Group {
    fn as_raw_fd(&self) -> RawFd {
        self.device.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_1_to_32_bytes_without_a_nul() {
        assert_eq!(padded(b"x").expect("valid")[..2], *b"x\0");
        assert_eq!(padded(&[0xff; 32]).expect("valid"), [0xff; 32]);
        for wrong in [&b""[..], b"\0", b"a\0b", &[b'x'; 33]] {
            assert!(matches!(padded(wrong), Err(Error::InvalidId)), "{wrong:?}");
        }
    }

    #[test]
    fn a_group_can_be_shared_by_threads() {
        fn assert<T: Send + Sync>() {}
        assert::<Group>();
        assert::<Error>();
    }
}

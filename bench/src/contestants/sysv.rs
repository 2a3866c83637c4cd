// SPDX-License-Identifier: GPL-2.0

//! System V message queues. `msg_qbytes` is room for as many messages as the experiment asks for,
//! for which kernel.msgmnb and msgmax are raised. Receivers take the first message, whatever its
//! type.

use super::{Buffer, Contestant, Setup, unless_empty};
use crate::results::Waiting;
use crate::tuning;
use anyhow::{Context, Result};
use nix::errno::Errno;

/// A queue, which is removed when this is dropped.
pub struct SysV {
    id: i32,
    flags: i32,
}

impl Contestant for SysV {
    const NAME: &'static str = "System V";
    const DEEPEST: usize = 2_000_000;

    fn new(setup: &Setup) -> Result<Self> {
        let room = setup.size * setup.depth;
        tuning::raise("kernel/msgmnb", room)?;
        tuning::raise("kernel/msgmax", setup.size)?;
        // SAFETY: The call takes numbers only.
        let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
        let queue = Self {
            id: Errno::result(id).context("msgget")?,
            flags: match setup.waiting {
                Waiting::Yield => libc::IPC_NOWAIT,
                Waiting::Block => 0,
            },
        };
        queue.set_room(room)?;
        Ok(queue)
    }

    fn send(&self, message: &Buffer) -> nix::Result<bool> {
        let (buf, size) = (message.with_head(), message.payload().len());
        // SAFETY: The buffer begins with the message's type, and so many bytes are behind it.
        let sent = unsafe { libc::msgsnd(self.id, buf.as_ptr().cast(), size, self.flags) };
        unless_empty(Errno::result(sent), Errno::EAGAIN).map(|sent| sent.is_some())
    }

    fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>> {
        let size = buffer.payload().len();
        let buf = buffer.with_head_mut().as_mut_ptr();
        // SAFETY: The buffer has room for the type, and for so many bytes behind it.
        let received = unsafe { libc::msgrcv(self.id, buf.cast(), size, 0, self.flags) };
        let received = unless_empty(Errno::result(received), Errno::ENOMSG)?;
        Ok(received.map(|size| size as usize))
    }
}

impl SysV {
    fn set_room(&self, bytes: usize) -> Result<()> {
        // SAFETY: All zeroes is a valid value.
        let mut state: libc::msqid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: The structure is ours, and of the type that the command takes.
        let got = unsafe { libc::msgctl(self.id, libc::IPC_STAT, &raw mut state) };
        Errno::result(got).context("IPC_STAT")?;
        state.msg_qbytes = bytes as libc::msglen_t;
        // SAFETY: As above.
        let set = unsafe { libc::msgctl(self.id, libc::IPC_SET, &raw mut state) };
        Errno::result(set).context("IPC_SET")?;
        Ok(())
    }
}

impl Drop for SysV {
    fn drop(&mut self) {
        // SAFETY: This command takes no structure.
        unsafe { libc::msgctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

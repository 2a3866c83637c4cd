// SPDX-License-Identifier: GPL-2.0

//! Pipes in packet mode (`O_DIRECT`). A packet takes a page of the pipe, whatever its size; so
//! `F_SETPIPE_SZ` gives it a page for each message that the experiment asks for, for which
//! fs.pipe-max-size is raised. What is larger than a page (`PIPE_BUF`) becomes several packets,
//! and is no message.

use super::{Buffer, Contestant, Setup, unless_empty};
use crate::results::Waiting;
use crate::tuning;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, read, write};
use std::os::fd::OwnedFd;

const PAGE: usize = 4096;

/// A pipe's two ends.
pub struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
}

impl Contestant for Pipe {
    const NAME: &'static str = "packet pipe";
    const LARGEST: usize = libc::PIPE_BUF;
    const DEEPEST: usize = 65_536;

    fn new(setup: &Setup) -> Result<Self> {
        let mut flags = OFlag::O_DIRECT | OFlag::O_CLOEXEC;
        flags.set(OFlag::O_NONBLOCK, setup.waiting == Waiting::Yield);
        let (out, into) = pipe2(flags)?;
        // The kernel rounds up to a power of two.
        let size = setup.depth.next_power_of_two() * PAGE;
        tuning::raise("fs/pipe-max-size", size)?;
        fcntl(&into, FcntlArg::F_SETPIPE_SZ(size.try_into()?)).context("F_SETPIPE_SZ")?;
        Ok(Self { out, into })
    }

    fn send(&self, message: &Buffer) -> nix::Result<bool> {
        let sent = unless_empty(write(&self.into, message.payload()), Errno::EAGAIN);
        sent.map(|sent| sent.is_some())
    }

    fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>> {
        unless_empty(read(&self.out, buffer.payload_mut()), Errno::EAGAIN)
    }
}

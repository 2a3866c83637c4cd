// SPDX-License-Identifier: GPL-2.0

//! Sockets of the family `AF_UNIX` that keep messages apart: pairs of `SOCK_SEQPACKET` and of
//! `SOCK_DGRAM`. `SO_SNDBUFFORCE` makes the sender's buffer large enough for as many messages as
//! the experiment asks for, with what the kernel counts on top of each. net.unix.max_dgram_qlen is
//! raised to their number; it does not hold back the two ends of a pair.

use super::{Buffer, Contestant, Setup, unless_empty};
use crate::results::Waiting;
use crate::tuning;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::sockopt::SndBufForce;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair,
};
use std::os::fd::{AsRawFd, OwnedFd};

/// What the kernel counts for a message beside its payload, rounded up.
const OVERHEAD: usize = 1024;
/// The kernel doubles what it is asked for, in an `int`.
const LARGEST_BUFFER: usize = i32::MAX as usize / 2;

/// A pair of sockets.
struct Pair {
    into: OwnedFd,
    out: OwnedFd,
}

impl Pair {
    fn new(kind: SockType, setup: &Setup) -> Result<Self> {
        tuning::raise("net/unix/max_dgram_qlen", setup.depth)?;
        let mut flags = SockFlag::SOCK_CLOEXEC;
        flags.set(SockFlag::SOCK_NONBLOCK, setup.waiting == Waiting::Yield);
        let (into, out) = socketpair(AddressFamily::Unix, kind, None, flags)?;
        let size = setup.depth * (setup.size.next_power_of_two() + OVERHEAD);
        setsockopt(&into, SndBufForce, &size.min(LARGEST_BUFFER)).context("SO_SNDBUFFORCE")?;
        Ok(Self { into, out })
    }

    fn send(&self, message: &Buffer) -> nix::Result<bool> {
        let sent = send(self.into.as_raw_fd(), message.payload(), MsgFlags::empty());
        unless_empty(sent, Errno::EAGAIN).map(|sent| sent.is_some())
    }

    fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>> {
        let received = recv(
            self.out.as_raw_fd(),
            buffer.payload_mut(),
            MsgFlags::empty(),
        );
        unless_empty(received, Errno::EAGAIN)
    }
}

macro_rules! contestant {
    ($type:ident, $kind:expr, $name:literal) => {
        #[doc = $name]
        pub struct $type(Pair);

        impl Contestant for $type {
            const NAME: &'static str = $name;
            const DEEPEST: usize = 65_536;

            fn new(setup: &Setup) -> Result<Self> {
                Pair::new($kind, setup).map(Self)
            }

            fn send(&self, message: &Buffer) -> nix::Result<bool> {
                self.0.send(message)
            }

            fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>> {
                self.0.receive(buffer)
            }
        }
    };
}

contestant!(SeqPacket, SockType::SeqPacket, "AF_UNIX seqpacket");
contestant!(Dgram, SockType::Datagram, "AF_UNIX dgram");

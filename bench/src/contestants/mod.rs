// SPDX-License-Identifier: GPL-2.0

//! What messages can be sent through: one file for each, which sets it up as somebody would who
//! knows it well. How deep and how large each may be is raised as far as it allows, or as far as
//! the experiment asks for, which is the same for all.

mod floor;
pub mod groups;
mod mqueue;
mod pipe;
mod sysv;
mod unix;

use crate::modes::{growth, many, pair, ping_pong};
use crate::results::Waiting;
use anyhow::Result;
use nix::errno::Errno;

/// How one channel is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The largest message, in bytes.
    pub size: usize,
    /// How many such messages it has to hold.
    pub depth: usize,
    /// What a call does that cannot go on.
    pub waiting: Waiting,
}

/// A channel through which any number of threads send messages to any number of others.
///
/// The hot loops are generic over it, so that nothing is in their way but the system call.
pub trait Contestant: Sized + Sync {
    /// As it is called in tables.
    const NAME: &'static str;
    /// The largest message that arrives as one, in bytes.
    const LARGEST: usize = usize::MAX;
    /// The most messages that it is sensible to keep in it.
    const DEEPEST: usize;

    /// Makes an empty channel.
    fn new(setup: &Setup) -> Result<Self>;

    /// Sends a message. `false`: there is no room now, and the channel does not wait.
    fn send(&self, message: &Buffer) -> nix::Result<bool>;

    /// Receives a message; its size. `None`: there is none now, and the channel does not wait.
    fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>>;
}

/// A contestant, by what can be measured of it.
pub struct Entry {
    /// [`Contestant::NAME`]
    pub name: &'static str,
    /// [`Contestant::LARGEST`]
    pub largest: usize,
    /// [`Contestant::DEEPEST`]
    pub deepest: usize,
    /// [`pair::round`]
    pub pair: fn(usize, usize) -> Result<f64>,
    /// [`many::round`]
    pub many: fn(&many::Cell) -> Result<f64>,
    /// [`ping_pong::round`]
    pub ping_pong: fn(usize, usize) -> Result<Vec<f64>>,
    /// [`growth::queued`]
    pub growth: fn(usize, usize) -> Result<growth::Queued>,
}

const fn entry<C: Contestant>() -> Entry {
    Entry {
        name: C::NAME,
        largest: C::LARGEST,
        deepest: C::DEEPEST,
        pair: pair::round::<C>,
        many: many::round::<C>,
        ping_pong: ping_pong::round::<C>,
        growth: growth::queued::<C>,
    }
}

/// The name of ours.
pub const OURS: &str = groups::Groups::NAME;

/// Who delivers messages, ours first.
pub const FIELD: [Entry; 6] = [
    entry::<groups::Groups>(),
    entry::<mqueue::Mqueue>(),
    entry::<pipe::Pipe>(),
    entry::<unix::SeqPacket>(),
    entry::<unix::Dgram>(),
    entry::<sysv::SysV>(),
];

/// What two system calls cost that do as little as possible. It delivers nothing.
pub const FLOOR: Entry = entry::<floor::Floor>();

/// A message, and in front of it the room for the number that System V messages begin with.
pub struct Buffer {
    bytes: Vec<u8>,
}

const HEAD: usize = size_of::<libc::c_long>();

impl Buffer {
    /// A message of `size` bytes.
    pub fn new(size: usize) -> Self {
        let mut bytes = vec![b'm'; HEAD + size];
        bytes[..HEAD].copy_from_slice(&libc::c_long::to_ne_bytes(1));
        Self { bytes }
    }

    /// The message.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEAD..]
    }

    /// The message, to be received into.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[HEAD..]
    }

    fn with_head(&self) -> &[u8] {
        &self.bytes
    }

    fn with_head_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// What a call that does not wait says in place of waiting is an answer and no failure.
fn unless_empty<T>(result: nix::Result<T>, empty: Errno) -> nix::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(errno) if errno == empty => Ok(None),
        Err(errno) => Err(errno),
    }
}

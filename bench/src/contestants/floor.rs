// SPDX-License-Identifier: GPL-2.0

//! The floor: `write` to /dev/null and `read` of /dev/zero, which is what the calls cost where
//! nothing is delivered.

use super::{Buffer, Contestant, Setup};
use anyhow::Result;
use nix::unistd::{read, write};
use std::fs::File;

/// Something to write to, and something to read.
pub struct Floor {
    null: File,
    zero: File,
}

impl Contestant for Floor {
    const NAME: &'static str = "floor";
    const DEEPEST: usize = usize::MAX;

    fn new(_: &Setup) -> Result<Self> {
        Ok(Self {
            null: File::options().write(true).open("/dev/null")?,
            zero: File::open("/dev/zero")?,
        })
    }

    fn send(&self, message: &Buffer) -> nix::Result<bool> {
        write(&self.null, message.payload()).map(|_| true)
    }

    fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>> {
        read(&self.zero, buffer.payload_mut()).map(Some)
    }
}

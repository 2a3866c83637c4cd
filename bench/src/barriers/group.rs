// SPDX-License-Identifier: GPL-2.0

//! A group's barrier: `SLEEP_ON_BARRIER` and `AWAKE_BARRIER`.

use super::Barrier;
use crate::contestants::groups::Device;
use anyhow::Result;
use nix::errno::Errno;

/// A group for its barrier.
pub struct GroupBarrier(Device);

impl Barrier for GroupBarrier {
    const NAME: &'static str = crate::contestants::OURS;

    fn new(_: usize) -> Result<Self> {
        Device::new(0, 1, 1).map(Self)
    }

    fn sleep(&self) -> nix::Result<()> {
        self.0.sleep()
    }

    fn awake(&self) -> nix::Result<()> {
        match self.0.awake()? {
            0 => Ok(()),
            // Not all who slept have left, or nobody sleeps.
            _ => Err(Errno::EAGAIN),
        }
    }
}

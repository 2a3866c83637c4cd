// SPDX-License-Identifier: GPL-2.0

//! POSIX message queues. `mq_maxmsg` and `mq_msgsize` are what the experiment asks for, for which
//! fs.mqueue.msg_max and msgsize_max are raised, and RLIMIT_MSGQUEUE has no end. All messages have
//! one priority, which costs the queue nothing.

use super::{Buffer, Contestant, Setup, unless_empty};
use crate::results::Waiting;
use crate::tuning;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::Mode;

/// A queue without a name.
pub struct Mqueue(MqdT);

impl Contestant for Mqueue {
    const NAME: &'static str = "POSIX mqueue";
    /// The kernel's HARD_MSGMAX.
    const DEEPEST: usize = 65_536;

    fn new(setup: &Setup) -> Result<Self> {
        tuning::raise("fs/mqueue/msg_max", setup.depth)?;
        tuning::raise("fs/mqueue/msgsize_max", setup.size)?;
        setrlimit(Resource::RLIMIT_MSGQUEUE, RLIM_INFINITY, RLIM_INFINITY)?;
        let mut flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
        flags.set(MQ_OFlag::O_NONBLOCK, setup.waiting == Waiting::Yield);
        let attr = MqAttr::new(0, setup.depth as i64, setup.size as i64, 0);
        let name = format!("/bench-{}", std::process::id());
        let queue = mq_open(name.as_str(), flags, Mode::S_IRWXU, Some(&attr)).context("mq_open");
        // Of a run that was killed, with the same process id.
        let _ = mq_unlink(name.as_str());
        Ok(Self(queue?))
    }

    fn send(&self, message: &Buffer) -> nix::Result<bool> {
        let sent = unless_empty(mq_send(&self.0, message.payload(), 0), Errno::EAGAIN);
        sent.map(|sent| sent.is_some())
    }

    fn receive(&self, buffer: &mut Buffer) -> nix::Result<Option<usize>> {
        unless_empty(
            mq_receive(&self.0, buffer.payload_mut(), &mut 0),
            Errno::EAGAIN,
        )
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Waiting: for a file, for the time to be up, for Ctrl-C.

use crate::failure::{Failure, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// From now on Ctrl-C, and a polite kill, do not end the process, but are something that can be
/// waited for.
pub struct CtrlC {
    pipe: UnixStream,
}

impl CtrlC {
    pub fn catch() -> Result<Self> {
        let catch = || -> io::Result<Self> {
            let (pipe, end) = UnixStream::pair()?;
            signal_hook::low_level::pipe::register(SIGINT, end.try_clone()?)?;
            signal_hook::low_level::pipe::register(SIGTERM, end)?;
            Ok(Self { pipe })
        };
        catch().map_err(|err| Failure::Io("cannot catch Ctrl-C", err))
    }
}

/// What was waited for, and came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// One of the events.
    Ready,
    /// The time is up.
    Late,
    /// Ctrl-C.
    CtrlC,
    /// Nobody reads standard output any more.
    Unread,
}

/// Waits until one of these events is there, or anything else that is worth to end for.
///
/// That nobody reads the output is noticed before a message is taken that could not be printed.
pub fn wait(
    events: Option<(BorrowedFd<'_>, PollFlags)>,
    deadline: Option<Instant>,
    ctrl_c: Option<&CtrlC>,
    output: bool,
) -> Result<News> {
    let stdout = rustix::stdio::stdout();
    let mut fds = Vec::with_capacity(3);
    let mut what = Vec::with_capacity(3);
    if let Some(ctrl_c) = ctrl_c {
        fds.push(PollFd::from_borrowed_fd(ctrl_c.pipe.as_fd(), PollFlags::IN));
        what.push(News::CtrlC);
    }
    if output {
        // Errors are always reported; of a file or a terminal there are none.
        fds.push(PollFd::from_borrowed_fd(stdout, PollFlags::empty()));
        what.push(News::Unread);
    }
    if let Some((fd, events)) = events {
        fds.push(PollFd::from_borrowed_fd(fd, events));
        what.push(News::Ready);
    }
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Ok(News::Late),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(err) => return Err(Failure::Io("cannot wait", err.into())),
        }
        let found = fds.iter().position(|fd| !fd.revents().is_empty());
        if let Some(found) = found {
            return Ok(what[found]);
        }
    }
}

/// That nobody reads standard output any more, as writing to it would say.
pub fn unread() -> Failure {
    Failure::output(io::ErrorKind::BrokenPipe.into())
}

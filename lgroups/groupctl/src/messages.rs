// SPDX-License-Identifier: GPL-2.0

//! `send` and `receive`.

use crate::cli;
use crate::failure::{Failure, Result};
use crate::groups;
use crate::output::{Output, bytes};
use crate::wait::{CtrlC, News, unread, wait};
use lgroups::{Error, Group};
use rustix::event::PollFlags;
use serde_json::json;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// How long to leave a group alone that says there is room and has none for this message.
const PAUSE: Duration = Duration::from_millis(10);

pub fn send(out: Output, args: &cli::Send) -> Result {
    let group = groups::open(&args.group)?;
    let mut sent = Sent::default();
    if let Some(message) = &args.message {
        sent.send(&group, args, message.as_bytes().to_vec())?;
    } else if args.binary {
        let mut message = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut message);
        read.map_err(|err| Failure::Io("cannot read standard input", err))?;
        sent.send(&group, args, message)?;
    } else {
        let mut input = io::stdin().lock();
        for number in 1.. {
            let mut line = Vec::new();
            match input.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(err) => return Err(Failure::Io("cannot read standard input", err)),
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            sent.send(&group, args, line)
                .map_err(|err| Failure::Line(number, err))?;
        }
    }
    if out.json {
        let Sent { messages, bytes } = sent;
        out.print(
            String::new,
            || json!({ "messages": messages, "bytes": bytes }),
        )?;
    }
    if let Some(hold) = args.hold {
        let deadline = Instant::now().checked_add(Duration::from_millis(hold));
        wait(None, deadline, None, false)?;
    }
    Ok(())
}

#[derive(Default)]
struct Sent {
    messages: u64,
    bytes: usize,
}

impl Sent {
    fn send(
        &mut self,
        group: &Group,
        args: &cli::Send,
        mut message: Vec<u8>,
    ) -> lgroups::Result<()> {
        if args.nul {
            message.push(0);
        }
        loop {
            match group.send(&message) {
                Err(Error::StorageFull) if args.wait => wait_for_room(group),
                result => {
                    result?;
                    self.messages += 1;
                    self.bytes += message.len();
                    return Ok(());
                }
            }
        }
    }
}

/// Returns when it is worth to try again.
pub fn wait_for_room(group: &Group) {
    // If it cannot be waited for, trying again tells why.
    let _ = wait(Some((group.as_fd(), PollFlags::OUT)), None, None, false);
    // An empty group is always writable, though delayed messages may take all the room.
    if group.first_size().is_ok_and(|size| size.is_none()) {
        let deadline = Instant::now() + PAUSE;
        let _ = wait(
            Some((group.as_fd(), PollFlags::IN)),
            Some(deadline),
            None,
            false,
        );
    }
}

pub fn receive(out: Output, args: &cli::Receive) -> Result {
    let group = groups::open(&args.group)?;
    if args.follow {
        return follow(out, args, &group);
    }
    if args.all {
        while !is_unread()? {
            let Some(message) = group.receive()? else {
                return Ok(());
            };
            print(out, args, &message)?;
        }
        return Err(unread());
    }
    let message = match args.timeout {
        Some(ms) => group.receive_timeout(Duration::from_millis(ms))?,
        None => group.receive()?,
    };
    match message {
        Some(message) => print(out, args, &message),
        None => Err(Failure::Nothing),
    }
}

fn follow(out: Output, args: &cli::Receive, group: &Group) -> Result {
    let ctrl_c = CtrlC::catch()?;
    loop {
        let timeout = args.timeout.map(Duration::from_millis);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let events = Some((group.as_fd(), PollFlags::IN));
        match wait(events, deadline, Some(&ctrl_c), true)? {
            // Somebody else may have been faster.
            News::Ready => {
                if let Some(message) = group.receive()? {
                    print(out, args, &message)?;
                }
            }
            News::Late | News::CtrlC => return Ok(()),
            News::Unread => return Err(unread()),
        }
    }
}

fn is_unread() -> Result<bool> {
    Ok(wait(None, Some(Instant::now()), None, true)? == News::Unread)
}

fn print(out: Output, args: &cli::Receive, message: &[u8]) -> Result {
    if out.json {
        let (text, hex) = bytes(message);
        let size = message.len();
        return out.print(
            String::new,
            || json!({ "size": size, "text": text, "hex": hex }),
        );
    }
    out.write(|to| {
        if args.binary {
            return to.write_all(message);
        }
        to.write_all(message.strip_suffix(b"\0").unwrap_or(message))?;
        to.write_all(b"\n")
    })
}

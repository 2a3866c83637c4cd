// SPDX-License-Identifier: GPL-2.0

//! Calls that are carried out by others: io_uring, and the older AIO.

use super::{Worker, call};
use crate::program::Call;
use crate::{memory, values};
use io_uring::{IoUring, opcode, types};

/// What AIO calls a request: struct iocb.
#[repr(C)]
#[derive(Default)]
struct Request {
    data: u64,
    key: u32,
    flags: u32,
    opcode: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    request_flags: u32,
    event_file: u32,
}

impl Worker<'_> {
    /// Hands in one request, and waits for it not at all or, if the value says so, until it is
    /// done. The ring stays until the process ends, with whatever is still to be done.
    pub fn uring(&self, c: Call) -> i64 {
        let Ok(mut ring) = IoUring::new(4) else {
            return -super::errno();
        };
        let size = c.bytes();
        let at = memory::address(c.memory, size);
        let file = types::Fd(self.file(c.file.into()) as i32);
        let len = size as u32;
        let entry = match c.choice % 4 {
            0 => opcode::Read::new(file, at as *mut u8, len)
                .offset(u64::MAX)
                .build(),
            1 => opcode::Write::new(file, at as *const u8, len)
                .offset(u64::MAX)
                .build(),
            2 => {
                let events = values::events(c.choice >> 2) as u32;
                opcode::PollAdd::new(file, events)
                    .multi(c.value & 8 != 0)
                    .build()
            }
            _ => opcode::Fsync::new(file).build(),
        };
        // A worker thread does it, or whoever submits it.
        let flags = if c.value & 4 == 0 {
            io_uring::squeue::Flags::empty()
        } else {
            io_uring::squeue::Flags::ASYNC
        };
        let wait = usize::from(c.value & 3 == 0);
        // SAFETY: What the kernel may write to is a region of `memory`, which stays.
        let pushed = unsafe { ring.submission().push(&entry.flags(flags)) };
        let returned = match pushed.map(|()| ring.submit_and_wait(wait)) {
            Ok(Ok(count)) => count as i64,
            Ok(Err(err)) => -i64::from(err.raw_os_error().unwrap_or(0)),
            Err(_) => -i64::from(libc::ENOSPC),
        };
        let result = ring
            .completion()
            .next()
            .map(|done| i64::from(done.result()));
        if c.value & 16 == 0 {
            std::mem::forget(ring);
        }
        result.unwrap_or(returned)
    }

    pub fn aio(&self, c: Call) -> i64 {
        const READ: u16 = 0;
        const WRITE: u16 = 1;
        const SYNC: u16 = 2;
        const POLL: u16 = 5;
        let mut context = 0u64;
        let made = call(
            libc::SYS_io_setup,
            [4, &raw mut context as usize, 0, 0, 0, 0],
        );
        if made < 0 {
            return made;
        }
        let size = c.bytes();
        let request = Request {
            opcode: [READ, WRITE, POLL, SYNC][usize::from(c.choice % 4)],
            file: self.file(c.file.into()) as u32,
            buffer: if c.choice % 4 == 2 {
                values::events(c.choice >> 2) as u16 as u64
            } else {
                memory::address(c.memory, size) as u64
            },
            bytes: if c.choice % 4 == 2 { 0 } else { size as u64 },
            request_flags: values::call_flags(c.choice >> 4) as u32,
            ..Default::default()
        };
        let requests = [&raw const request as usize];
        let context = context as usize;
        let submitted = call(
            libc::SYS_io_submit,
            [context, 1, requests.as_ptr() as usize, 0, 0, 0],
        );
        let mut events = [0u64; 4];
        let time = [0i64, 1_000_000];
        let (events, time) = (events.as_mut_ptr() as usize, time.as_ptr() as usize);
        call(libc::SYS_io_getevents, [context, 0, 1, events, time, 0]);
        if c.value & 1 == 0 {
            call(libc::SYS_io_destroy, [context, 0, 0, 0, 0, 0]);
        }
        submitted
    }
}

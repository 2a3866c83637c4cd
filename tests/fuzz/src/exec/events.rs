// SPDX-License-Identifier: GPL-2.0

//! Waiting for events: poll, select, epoll.

use super::{Worker, call};
use crate::program::Call;
use crate::{memory, values};

impl Worker<'_> {
    pub fn poll(&self, c: Call) -> i64 {
        let events = values::events(c.choice);
        let mut polled =
            [self.file(c.file.into()), self.file(c.other())].map(|file| libc::pollfd {
                fd: file as i32,
                events,
                revents: 0,
            });
        let ms = values::wait_ms(c.value) as usize;
        call(
            libc::SYS_poll,
            [polled.as_mut_ptr() as usize, 2, ms, 0, 0, 0],
        )
    }

    pub fn select(&self, c: Call) -> i64 {
        // A set is 1024 bits.
        let mut sets = [[0u64; 16]; 3];
        let (first, second) = (self.file(c.file.into()), self.file(c.other()));
        for (i, set) in sets.iter_mut().enumerate() {
            if (values::events(c.choice) >> i) & 1 != 0 {
                for file in [first % 1024, second % 1024] {
                    set[file / 64] |= 1 << (file % 64);
                }
            }
        }
        let [read, write, except] = sets.each_mut().map(|set| set.as_mut_ptr() as usize);
        let ms = values::wait_ms(c.value);
        let time = [0, i64::from(ms) * 1000];
        let time = if ms < 0 { 0 } else { time.as_ptr() as usize };
        call(libc::SYS_select, [1024, read, write, except, time, 0])
    }

    pub fn epoll_create(&self, c: Call) -> i64 {
        self.put(c.file.into(), call(libc::SYS_epoll_create1, [0; 6]))
    }

    pub fn epoll_control(&self, c: Call) -> i64 {
        let event = libc::epoll_event {
            events: values::epoll_events(c.choice),
            u64: 0,
        };
        let command = values::epoll_command(c.value) as usize;
        let (epoll, file) = (self.file(c.file.into()), self.file(c.other()));
        call(
            libc::SYS_epoll_ctl,
            [epoll, command, file, &raw const event as usize, 0, 0],
        )
    }

    pub fn epoll_wait(&self, c: Call) -> i64 {
        let count = c.choice as i8 as usize;
        let at = memory::address(c.memory, 12);
        let ms = values::wait_ms(c.value) as usize;
        call(
            libc::SYS_epoll_wait,
            [self.file(c.file.into()), at, count, ms, 0, 0],
        )
    }
}

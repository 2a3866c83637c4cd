// SPDX-License-Identifier: GPL-2.0

//! A process that does random things to some groups, at the same time as others, and writes down
//! what.

use crate::calls::LONG;
use crate::group::{Device, Group};
use crate::recorder::Book;
use crate::sys::{self, AWAKE_BARRIER, REVOKE_DELAYED_MESSAGES, SET_SEND_DELAY, SLEEP_ON_BARRIER};
use model::history::{Entry, Kind, SMALLEST, fill, number, recognize};
use model::random::Random;
use nix::errno::Errno;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// The most bytes that a worker writes or reads.
const MOST: usize = 200;

/// After so many reads and writes in vain a worker gives up.
const HOPELESS: u32 = 5000;

/// What workers do, beside writing and reading.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub delays: bool,
    pub limits: bool,
    pub barrier: bool,
    pub kills: bool,
}

/// One of the groups that a worker works with.
struct Place<'a> {
    group: &'a Group,
    /// An open file whose reads return at once, one whose reads fail at once, and one whose reads
    /// wait.
    plain: Device,
    nonblocking: Device,
    patient: Device,
    /// What is likely to go well.
    next: Kind,
}

/// A process that works.
pub struct Worker<'a> {
    book: Book,
    random: Random,
    places: Vec<Place<'a>>,
    habits: Habits,
    sent: u32,
    /// How many reads and writes in a row came to nothing.
    in_vain: u32,
    buffer: [u8; MOST],
}

/// How long reads of a group's patient file wait, in milliseconds.
fn patience(group: usize) -> u16 {
    1 + group as u16
}

fn result<T: TryInto<i32>>(result: sys::Result<T>) -> i32 {
    match result {
        Ok(value) => value.try_into().unwrap_or(i32::MAX),
        Err(errno) => -(errno as i32),
    }
}

/// What is done to a group.
pub fn call(kind: Kind, group: usize, argument: u32) -> Entry {
    Entry {
        kind,
        group: group as u8,
        argument,
        ..Entry::default()
    }
}

/// Closes a descriptor, which flushes.
fn close(book: &mut Book, group: usize, device: Device) {
    book.write(call(Kind::Flush, group, 0), |_| drop(device));
}

impl<'a> Worker<'a> {
    pub fn new(book: Book, seed: u64, groups: &'a [Group], habits: Habits) -> Self {
        let place = |(at, group): (usize, &'a Group)| {
            let nonblocking = group.open();
            nonblocking.set_nonblocking();
            let patient = group.open();
            let timeout = patient.set_receive_timeout(i32::from(patience(at)));
            assert_eq!(timeout, Ok(0), "SET_RECEIVE_TIMEOUT");
            Place {
                group,
                plain: group.open(),
                nonblocking,
                patient,
                next: Kind::None,
            }
        };
        Self {
            random: Random::new(seed ^ (u64::from(book.writer()) << 40)),
            book,
            places: groups.iter().enumerate().map(place).collect(),
            habits,
            sent: 0,
            in_vain: 0,
            buffer: [0; MOST],
        }
    }

    /// Works until so many messages have been accepted, or nothing goes any more: then the others'
    /// books may say why.
    pub fn work(mut self, messages: u32) {
        while self.sent < messages && self.in_vain < HOPELESS && !self.book.is_nearly_full() {
            let group = self.random.below(self.places.len() as u64) as usize;
            match self.random.below(1000) {
                0..5 if self.habits.delays => self.change_delay(group),
                5..8 if self.habits.delays => self.revoke(group),
                8..11 if self.habits.delays => self.flush(group),
                11..13 if self.habits.delays => self.reopen(group),
                13..15 if self.habits.limits => self.change_limit(group),
                15..30 if self.habits.barrier => self.awake(group),
                choice => match (self.places[group].next, choice % 2) {
                    (Kind::Write, _) | (Kind::None, 0) => self.write(group),
                    _ => self.read(group),
                },
            }
        }
        self.leave();
    }

    /// Sleeps on the barrier of a group, again and again, until it is told to stop.
    pub fn sleep(mut self, group: usize, stop: &AtomicU64) {
        while stop.load(SeqCst) == 0 && !self.book.is_nearly_full() {
            let device = &self.places[group].plain;
            self.book.write(call(Kind::Sleep, group, 0), |entry| {
                // SAFETY: The command takes no argument.
                entry.result = result(unsafe { sys::ioctl(device, SLEEP_ON_BARRIER, 0) });
            });
            // Otherwise some sleepers could keep the alarm on among them.
            std::thread::sleep(Duration::from_micros(self.random.below(2000)));
        }
        self.leave();
    }

    /// Puts all groups back to what they were, empty, and sees that they can be filled.
    pub fn clear_up(mut self, max_message: u32, max_storage: u32) {
        for group in 0..self.places.len() {
            self.set_limit(group, Kind::SetMaxMessage, max_message);
            self.set_limit(group, Kind::SetMaxStorage, max_storage);
            self.set_delay(group, 0);
            self.flush(group);
            self.drain(group);
            self.fill_up(group, max_message as usize);
            self.drain(group);
        }
        self.leave();
    }

    /// Closes everything.
    fn leave(mut self) {
        for (group, place) in self.places.into_iter().enumerate() {
            for device in [place.plain, place.nonblocking, place.patient] {
                close(&mut self.book, group, device);
            }
        }
    }

    fn write(&mut self, group: usize) {
        let most = if self.habits.limits { MOST } else { 100 };
        let size = SMALLEST + self.random.below((most - SMALLEST + 1) as u64) as usize;
        self.send(group, size);
    }

    /// Writes a message. Says whether it was accepted.
    fn send(&mut self, group: usize, size: usize) -> bool {
        let message = number(self.book.writer(), self.sent + 1, size);
        let bytes = &mut self.buffer[..size];
        fill(message, bytes);
        let place = &mut self.places[group];
        let device = &place.plain;
        let before = Entry {
            message,
            ..call(Kind::Write, group, size as u32)
        };
        let written = self.book.write(before, |entry| {
            let written = sys::write_at(device, bytes.as_ptr(), size);
            entry.result = result(written);
            written
        });
        self.sent += u32::from(written.is_ok());
        place.next = match written {
            Err(Errno::ENOSPC) => Kind::Read,
            _ => Kind::None,
        };
        self.count(written.is_ok());
        written.is_ok()
    }

    fn read(&mut self, group: usize) {
        // Of a message that is read in part the rest is gone.
        let size = self.random.choose(&[MOST, MOST, MOST, SMALLEST, 50]);
        let how = match self.places[group].next {
            Kind::Read => 2,
            _ => self.random.below(3),
        };
        self.receive(group, size, how);
    }

    /// Reads a message, with one of the three files. Says whether there was one.
    fn receive(&mut self, group: usize, size: usize, how: u64) -> bool {
        let place = &mut self.places[group];
        let (device, wait) = match how {
            0 => (&place.plain, 0),
            1 => (&place.nonblocking, 0),
            _ => (&place.patient, patience(group)),
        };
        let before = Entry {
            patience: wait,
            ..call(Kind::Read, group, size as u32)
        };
        let buffer = &mut self.buffer[..size];
        let came = self.book.write(before, |entry| {
            // SAFETY: The buffer is ours.
            let read = unsafe { sys::read_at(device, buffer.as_mut_ptr(), size) };
            entry.result = result(read);
            let came = entry.result > 0;
            if came {
                (entry.message, entry.torn) = recognize(&buffer[..entry.result as usize]);
            }
            came
        });
        place.next = if came { Kind::None } else { Kind::Write };
        self.count(came);
        came
    }

    fn count(&mut self, is_done: bool) {
        self.in_vain = if is_done { 0 } else { self.in_vain + 1 };
    }

    fn change_delay(&mut self, group: usize) {
        let ms = self.random.choose(&[0, 0, 0, 1, 1, 2, 3, LONG]);
        self.set_delay(group, ms);
    }

    fn set_delay(&mut self, group: usize, ms: u32) {
        let device = &self.places[group].plain;
        self.book.write(call(Kind::SetDelay, group, ms), |entry| {
            // SAFETY: The kernel only reads what the pointer points to.
            let set = unsafe { sys::ioctl(device, SET_SEND_DELAY, &raw const ms as usize) };
            entry.result = result(set);
        });
    }

    fn revoke(&mut self, group: usize) {
        let device = &self.places[group].plain;
        self.book.write(call(Kind::Revoke, group, 0), |entry| {
            // SAFETY: The command takes no argument.
            entry.result = result(unsafe { sys::ioctl(device, REVOKE_DELAYED_MESSAGES, 0) });
        });
    }

    fn flush(&mut self, group: usize) {
        let device = &self.places[group].plain;
        self.book
            .write(call(Kind::Flush, group, 0), |_| device.flush());
    }

    fn reopen(&mut self, group: usize) {
        let place = &mut self.places[group];
        let old = std::mem::replace(&mut place.plain, place.group.open());
        close(&mut self.book, group, old);
    }

    fn awake(&mut self, group: usize) {
        let device = &self.places[group].plain;
        self.book.write(call(Kind::Awake, group, 0), |entry| {
            // SAFETY: The command takes no argument.
            entry.result = result(unsafe { sys::ioctl(device, AWAKE_BARRIER, 0) });
        });
    }

    fn change_limit(&mut self, group: usize) {
        let (kind, bytes) = self.random.choose(&[
            (Kind::SetMaxMessage, 50),
            (Kind::SetMaxMessage, 100),
            (Kind::SetMaxMessage, 200),
            (Kind::SetMaxStorage, 500),
            (Kind::SetMaxStorage, 10_000),
            (Kind::SetMaxStorage, 20_000),
        ]);
        self.set_limit(group, kind, bytes);
    }

    fn set_limit(&mut self, group: usize, kind: Kind, bytes: u32) {
        let place = self.places[group].group;
        let attribute = match kind {
            Kind::SetMaxMessage => "max_message_size",
            _ => "max_storage_size",
        };
        self.book.write(call(kind, group, bytes), |_| {
            place.set(attribute, bytes as usize);
        });
    }

    fn drain(&mut self, group: usize) {
        while self.receive(group, MOST, 0) {}
    }

    fn fill_up(&mut self, group: usize, size: usize) {
        while self.send(group, size) {}
        while self.send(group, SMALLEST) {}
    }
}

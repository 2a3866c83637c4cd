// SPDX-License-Identifier: GPL-2.0

//! What processes write down about their calls, in memory that they share with who checks it.

use crate::calls::now_ns;
use crate::sys::map;
use model::history::{Entry, Fate, Kind, NEVER};
use nix::sys::mman::{MapFlags, munmap};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, compiler_fence};

/// A book for each of some writers.
pub struct Books {
    start: NonNull<c_void>,
    writers: usize,
    pages: usize,
}

impl Books {
    /// Books of so many entries, all empty. Those made from now on are shared with children.
    pub fn new(writers: usize, pages: usize) -> Self {
        let bytes = writers * pages * size_of::<Entry>();
        // Memory that nobody writes to is not used up.
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        Self {
            start: map(bytes, flags),
            writers,
            pages,
        }
    }

    /// The book of one writer, who is the only one that uses it.
    pub fn book(&self, writer: usize) -> Book {
        assert!(writer < self.writers, "there are not as many books");
        let first = self.start.cast::<Entry>();
        Book {
            // SAFETY: This is within the mapping.
            next: unsafe { first.add(writer * self.pages) },
            left: self.pages,
            writer: writer as u16,
        }
    }

    /// What one writer has written, who is not there any more.
    fn written(&mut self, writer: usize) -> &mut [Entry] {
        let first = self.book(writer).next;
        // SAFETY: The mapping is zeroed, which is a valid entry, and the writer has gone.
        let all = unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), self.pages) };
        let end = all.partition_point(|entry| entry.kind != Kind::None);
        &mut all[..end]
    }

    /// Takes notice of a writer's having been killed, which it was certainly at this time.
    pub fn killed(&mut self, writer: usize, time: u64) {
        let last = self.written(writer).last_mut();
        if let Some(entry) = last.filter(|entry| entry.fate == Fate::Open) {
            entry.fate = Fate::Killed;
            entry.end = time;
        }
    }

    /// All that was written. Calls that have not ended are as if they never would.
    pub fn entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for writer in 0..self.writers {
            entries.extend_from_slice(self.written(writer));
        }
        let open = entries.iter_mut().filter(|entry| entry.fate == Fate::Open);
        open.for_each(|entry| entry.end = NEVER);
        entries
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        let bytes = self.writers * self.pages * size_of::<Entry>();
        // SAFETY: This was mapped by `new`, and who borrowed from it has gone.
        unsafe { munmap(self.start, bytes) }.expect("munmap");
    }
}

/// A book that one process writes.
pub struct Book {
    next: NonNull<Entry>,
    left: usize,
    writer: u16,
}

impl Book {
    pub fn writer(&self) -> u16 {
        self.writer
    }

    /// Whether there is little room left.
    pub fn is_nearly_full(&self) -> bool {
        self.left < 100
    }

    /// Writes down a call: what is known of it before, and then what `call` makes of it. Whoever
    /// is killed in between leaves an open entry.
    pub fn write<T>(&mut self, before: Entry, call: impl FnOnce(&mut Entry) -> T) -> T {
        assert!(self.left > 1, "the book is full");
        let place = self.next.as_ptr();
        let mut entry = Entry {
            worker: self.writer,
            start: now_ns(),
            kind: Kind::None,
            ..before
        };
        // SAFETY: The place is this book's. What is written last makes the entry valid, then
        // whole; the fences keep the compiler from another order.
        unsafe {
            place.write_volatile(entry);
            compiler_fence(Ordering::SeqCst);
            (&raw mut (*place).kind).write_volatile(before.kind);
        }
        entry.kind = before.kind;
        let value = call(&mut entry);
        entry.end = now_ns();
        // SAFETY: As above.
        unsafe {
            place.write_volatile(entry);
            compiler_fence(Ordering::SeqCst);
            (&raw mut (*place).fate).write_volatile(Fate::Returned);
            self.next = self.next.add(1);
        }
        self.left -= 1;
        value
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The memory that programs' pointers point to.
//!
//! It is at the same low addresses in each run, so that a program does the same again, and a call
//! in the manner of 32-bit programs can name it.

use crate::values::{Memory, Region};
use std::ffi::c_void;
use std::io;

pub const PAGE: usize = 4096;

const BASE: usize = 0x2000_0000;
const DATA: usize = BASE;
const DATA_SIZE: usize = 1 << 20;
/// Each further region has room for so many bytes, and begins at a multiple of it.
const STRIDE: usize = 1 << 20;
const SMALL: usize = 4 * PAGE;

/// Where a region is. Its edge is where what can be used ends.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    edge: usize,
}

const fn nth(number: usize, edge: usize) -> Span {
    let start = BASE + number * STRIDE;
    Span {
        start,
        edge: start + edge,
    }
}

const fn at(address: usize) -> Span {
    Span {
        start: address,
        edge: address,
    }
}

fn span(region: Region) -> Span {
    match region {
        Region::Data => nth(0, DATA_SIZE),
        // Between the regions there is nothing.
        Region::Fresh => nth(2, SMALL),
        Region::ReadOnly => nth(3, SMALL),
        Region::NoAccess => nth(4, SMALL),
        Region::Unmapped => nth(5, SMALL),
        Region::Cliff => nth(6, PAGE),
        Region::ReadCliff => nth(7, PAGE),
        Region::PastFile => nth(8, PAGE),
        Region::Slow => nth(9, PAGE),
        Region::Never => nth(10, PAGE),
        Region::Shaky => nth(11, SMALL),
        Region::Shared => nth(12, SMALL),
        Region::Code => at(span as fn(Region) -> Span as usize),
        Region::Null => at(0),
        Region::Low => at(8),
        Region::KernelData => at(0xffff_8880_0000_0000),
        Region::KernelText => at(0xffff_ffff_8100_0000),
        Region::ModuleText => at(0xffff_ffff_c000_0000),
        Region::NonCanonical => at(0x8000_0000_0000),
        Region::UserEnd => at(0x7fff_ffff_f000),
        Region::Top => at(usize::MAX - 10),
        Region::Vsyscall => at(0xffff_ffff_ff60_0000),
        Region::End32 => at(0xffff_f000),
    }
}

/// The address that a pointer to `size` bytes has.
pub fn address(memory: Memory, size: usize) -> usize {
    let Span { start, edge } = span(memory.region);
    memory.place.address(start, edge, size)
}

/// Puts bytes to where an argument is, as far as memory is there that can be written.
pub fn poke(memory: Memory, at: usize, bytes: &[u8]) {
    let Span { start, edge } = span(memory.region);
    let writable = matches!(
        memory.region,
        Region::Data
            | Region::Cliff
            | Region::ReadCliff
            | Region::Slow
            | Region::Never
            | Region::Shared
    );
    if !writable || at < start || at >= edge {
        return;
    }
    let count = bytes.len().min(edge - at);
    // SAFETY: `start` to `edge` of these regions is mapped to be written in every process of a
    // program, and nothing but the contents of messages is there.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, count) };
}

fn map(start: usize, size: usize, protection: i32, flags: i32, fd: i32) -> io::Result<()> {
    // SAFETY: The addresses are those of the regions, which nothing else uses.
    let mapped = unsafe {
        let flags = flags | libc::MAP_FIXED;
        libc::mmap(start as *mut c_void, size, protection, flags, fd, 0)
    };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Maps all regions. Children have copies of them.
pub fn map_all() -> io::Result<()> {
    map(DATA, DATA_SIZE, WRITE, PRIVATE, -1)?;
    // SAFETY: It has just been mapped.
    let data = unsafe { std::slice::from_raw_parts_mut(DATA as *mut u8, 2 * PAGE) };
    for (i, byte) in data.iter_mut().enumerate() {
        *byte = b'a' + (i % 26) as u8;
    }
    let start = |region| span(region).start;
    map(start(Region::Fresh), SMALL, WRITE, PRIVATE, -1)?;
    map(start(Region::ReadOnly), SMALL, READ, PRIVATE, -1)?;
    map(start(Region::NoAccess), SMALL, libc::PROT_NONE, PRIVATE, -1)?;
    map(start(Region::Shaky), SMALL, WRITE, PRIVATE, -1)?;
    map(
        start(Region::Shared),
        SMALL,
        WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        -1,
    )?;
    for region in [
        Region::Cliff,
        Region::ReadCliff,
        Region::Slow,
        Region::Never,
    ] {
        map(start(region), 2 * PAGE, WRITE, PRIVATE, -1)?;
    }
    map(
        start(Region::Cliff) + PAGE,
        PAGE,
        libc::PROT_NONE,
        PRIVATE,
        -1,
    )?;
    map(start(Region::ReadCliff) + PAGE, PAGE, READ, PRIVATE, -1)?;
    map_past_file(start(Region::PastFile))
}

/// Maps a file of one page to two pages.
fn map_past_file(start: usize) -> io::Result<()> {
    // SAFETY: The name is a C string; the other calls take numbers.
    let fd = unsafe { libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC) };
    // SAFETY: As above.
    if fd < 0 || unsafe { libc::ftruncate(fd, PAGE as i64) } < 0 {
        return Err(io::Error::last_os_error());
    }
    map(start, 2 * PAGE, WRITE, libc::MAP_SHARED, fd)?;
    // SAFETY: The descriptor is ours, and used no more.
    unsafe { libc::close(fd) };
    Ok(())
}

/// Changes the region that changes at any time.
pub fn shake(choice: u8) {
    let start = span(Region::Shaky).start;
    let page = start as *mut c_void;
    // SAFETY: Nothing but messages' contents is in this region, and nobody takes a reference to it.
    unsafe {
        match choice % 6 {
            0 => drop(libc::mprotect(page, SMALL, libc::PROT_NONE)),
            1 => drop(libc::mprotect(page, SMALL, READ)),
            2 => drop(libc::mprotect(page, SMALL, WRITE)),
            3 => drop(libc::munmap(page, SMALL)),
            4 => drop(libc::madvise(page, SMALL, libc::MADV_DONTNEED)),
            _ => drop(map(start, SMALL, WRITE, PRIVATE, -1)),
        }
    }
}

/// The pages that are served by userfaultfd: one after a while, one never.
pub fn slow_pages() -> (usize, usize) {
    (span(Region::Slow).edge, span(Region::Never).edge)
}

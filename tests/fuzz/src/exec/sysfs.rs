// SPDX-License-Identifier: GPL-2.0

//! Groups' attributes, read and written in any way.

use super::call;
use crate::program::Call;
use crate::{memory, values};

fn open(c: Call, flags: i32) -> i64 {
    let mut path = values::attribute(c.choice).into_bytes();
    path.push(0);
    let at = libc::AT_FDCWD as usize;
    call(
        libc::SYS_openat,
        [at, path.as_ptr() as usize, flags as usize, 0, 0, 0],
    )
}

fn close(file: usize) {
    call(libc::SYS_close, [file, 0, 0, 0, 0, 0]);
}

pub fn write(c: Call) -> i64 {
    let file = open(c, libc::O_WRONLY);
    if file < 0 {
        return file;
    }
    let text = values::text(c.value);
    let at = text.as_ptr() as usize;
    let written = call(libc::SYS_write, [file as usize, at, text.len(), 0, 0, 0]);
    close(file as usize);
    written
}

pub fn read(c: Call) -> i64 {
    let file = open(c, libc::O_RDONLY);
    if file < 0 {
        return file;
    }
    let size = c.bytes();
    let at = memory::address(c.memory, size);
    let offset = usize::from(c.value % 3);
    let read = call(libc::SYS_pread64, [file as usize, at, size, offset, 0, 0]);
    close(file as usize);
    read
}

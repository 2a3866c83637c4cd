// SPDX-License-Identifier: GPL-2.0

//! Calls on files: opening, closing, reading, writing, copying descriptors, and passing them on.

use super::{Worker, call};
use crate::op::Op;
use crate::program::Call;
use crate::{memory, values};
use libc::c_long;

impl Worker<'_> {
    pub fn open(&self, c: Call) -> i64 {
        let path = values::path(c.choice);
        let flags = values::open_flags(c.value);
        let at = libc::AT_FDCWD as usize;
        let file = call(
            libc::SYS_openat,
            [at, path.as_ptr() as usize, flags as usize, 0o600, 0, 0],
        );
        self.put(c.file.into(), file)
    }

    pub fn reopen(&self, c: Call) -> i64 {
        let mut path = *b"/proc/self/fd/0000000\0";
        let mut file = self.file(c.file.into()) % 10_000_000;
        for digit in path[14..21].iter_mut().rev() {
            *digit = b'0' + (file % 10) as u8;
            file /= 10;
        }
        // Leading zeros are no name there.
        let zeros = path[14..20]
            .iter()
            .take_while(|&&digit| digit == b'0')
            .count();
        path.copy_within(14 + zeros.., 14);
        let flags = values::open_flags(c.value) as usize;
        let at = libc::AT_FDCWD as usize;
        let file = call(
            libc::SYS_openat,
            [at, path.as_ptr() as usize, flags, 0, 0, 0],
        );
        self.put(c.other(), file)
    }

    pub fn close(&self, c: Call) -> i64 {
        call(libc::SYS_close, [self.file(c.file.into()), 0, 0, 0, 0, 0])
    }

    pub fn transfer(&self, c: Call) -> i64 {
        let size = c.bytes();
        let number = match c.op {
            Op::Write => libc::SYS_write,
            Op::Read => libc::SYS_read,
            Op::Pwrite => libc::SYS_pwrite64,
            _ => libc::SYS_pread64,
        };
        let at = memory::address(c.memory, size);
        let offset = c.value as i16 as usize;
        call(number, [self.file(c.file.into()), at, size, offset, 0, 0])
    }

    pub fn ioctl(&self, c: Call) -> i64 {
        let at = self.argument(c);
        let command = values::command(c.choice, c.value) as usize;
        call(
            libc::SYS_ioctl,
            [self.file(c.file.into()), command, at, 0, 0, 0],
        )
    }

    /// Puts the argument of an ioctl to where the call says, and says where that is.
    pub fn argument(&self, c: Call) -> usize {
        let is_install = values::takes_id(c.choice);
        let id = values::id(c.value);
        let number = values::number(c.value).to_ne_bytes();
        let bytes = if is_install { &id[..] } else { &number[..] };
        let at = memory::address(c.memory, if is_install { 58 } else { 4 });
        memory::poke(c.memory, at, bytes);
        at
    }

    pub fn sync(&self, c: Call) -> i64 {
        const NUMBERS: [c_long; 4] = [
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_sync_file_range,
            libc::SYS_syncfs,
        ];
        let number = NUMBERS[usize::from(c.choice / 8 % 4)];
        call(
            number,
            [self.file(c.file.into()), 0, 0, c.value.into(), 0, 0],
        )
    }

    pub fn seek(&self, c: Call) -> i64 {
        let (offset, whence) = (c.value as i16 as usize, usize::from(c.choice % 6));
        call(
            libc::SYS_lseek,
            [self.file(c.file.into()), offset, whence, 0, 0, 0],
        )
    }

    pub fn map(&self, c: Call) -> i64 {
        let (file, size) = (self.file(c.file.into()), c.bytes());
        let protection = usize::from(c.choice % 8);
        // Never at an address of our own choice: something is there.
        let flags = [1, 2, 3, 0x8001][usize::from(c.choice / 8 % 4)];
        call(
            libc::SYS_mmap,
            [0, size, protection, flags, file, usize::from(c.value) << 12],
        )
    }

    pub fn fcntl(&self, c: Call) -> i64 {
        let (command, mut argument) = values::fcntl(c.choice, c.value);
        if command == libc::F_SETOWN && argument == 1 {
            // Signals to any other process would hit the wrong one.
            // SAFETY: The call takes nothing.
            argument = unsafe { libc::getpid() } as u64;
        }
        let file = self.file(c.file.into());
        call(
            libc::SYS_fcntl,
            [file, command as usize, argument as usize, 0, 0, 0],
        )
    }

    pub fn move_data(&self, c: Call) -> i64 {
        // Who moves without end would not be stopped by the file's end either.
        let size = c.bytes().min(1 << 20);
        let (from, to) = (self.file(c.file.into()), self.file(c.other()));
        match (c.op, c.choice % 4) {
            (Op::Sendfile, _) => call(libc::SYS_sendfile, [to, from, 0, size, 0, 0]),
            (_, 0) => call(libc::SYS_tee, [from, to, size, 2, 0, 0]),
            (_, 1) => call(libc::SYS_copy_file_range, [from, 0, to, 0, size, 0]),
            _ => call(
                libc::SYS_splice,
                [from, 0, to, 0, size, usize::from(c.value % 16)],
            ),
        }
    }

    pub fn dup(&self, c: Call) -> i64 {
        let (from, to) = (self.file(c.file.into()), self.file(c.other()));
        let file = match c.choice % 4 {
            0 => call(libc::SYS_dup, [from, 0, 0, 0, 0, 0]),
            1 => call(libc::SYS_dup2, [from, to, 0, 0, 0, 0]),
            2 => call(
                libc::SYS_dup3,
                [from, to, libc::O_CLOEXEC as usize, 0, 0, 0],
            ),
            _ => call(
                libc::SYS_fcntl,
                [from, libc::F_DUPFD as usize, 900, 0, 0, 0],
            ),
        };
        self.put(c.other(), file)
    }

    pub fn close_range(&self, c: Call) -> i64 {
        // Nothing, unshare, close on exec, both.
        let flags = [0, 2, 4, 6][usize::from(c.choice % 4)];
        // What is below is the fuzzer's.
        let first = self.stage.first_file as usize + usize::from(c.value % 4);
        call(
            libc::SYS_close_range,
            [first, u32::MAX as usize, flags, 0, 0, 0],
        )
    }

    pub fn make_pair(&self, c: Call) -> i64 {
        let mut pair = [0i32; 2];
        let at = pair.as_mut_ptr() as usize;
        let made = if c.op == Op::Pipe {
            let flags = [0, libc::O_NONBLOCK, libc::O_DIRECT, libc::O_CLOEXEC];
            let flags = flags[usize::from(c.value % 4)] as usize;
            call(libc::SYS_pipe2, [at, flags, 0, 0, 0, 0])
        } else {
            let (family, kind) = (
                libc::AF_UNIX as usize,
                libc::SOCK_DGRAM | libc::SOCK_NONBLOCK,
            );
            call(libc::SYS_socketpair, [family, kind as usize, 0, at, 0, 0])
        };
        if made == 0 {
            self.put(c.file.into(), pair[0].into());
            self.put(c.other(), pair[1].into());
        }
        made
    }

    pub fn send_file(&self, c: Call) -> i64 {
        let passed = self.file(c.other()) as i32;
        let mut control = [0u64; 3];
        let mut byte = 0u8;
        let mut data = vector_of(&mut byte);
        let message = message(&mut data, &mut control);
        // SAFETY: The control buffer has room for one header and one descriptor.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header)
                .cast::<i32>()
                .write_unaligned(passed);
        }
        let at = &raw const message as usize;
        call(
            libc::SYS_sendmsg,
            [self.file(c.file.into()), at, 0x4040, 0, 0, 0],
        )
    }

    pub fn receive_file(&self, c: Call) -> i64 {
        let mut control = [0u64; 3];
        let mut byte = 0u8;
        let mut data = vector_of(&mut byte);
        let mut message = message(&mut data, &mut control);
        let at = &raw mut message as usize;
        let received = call(
            libc::SYS_recvmsg,
            [self.file(c.file.into()), at, 0x40, 0, 0, 0],
        );
        if received < 0 {
            return received;
        }
        // SAFETY: The kernel has filled the control buffer, or said that there is nothing in it.
        let file = unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
                return received;
            }
            libc::CMSG_DATA(header).cast::<i32>().read_unaligned()
        };
        self.put(c.other(), file.into())
    }

    pub fn stat(&self, c: Call) -> i64 {
        let mut buffer = [0u64; 32];
        let file = self.file(c.file.into());
        match c.choice % 4 {
            0 => call(
                libc::SYS_fstat,
                [file, buffer.as_mut_ptr() as usize, 0, 0, 0, 0],
            ),
            1 => call(
                libc::SYS_flock,
                [file, usize::from(c.value % 16) | 4, 0, 0, 0, 0],
            ),
            2 => call(libc::SYS_ftruncate, [file, c.bytes(), 0, 0, 0, 0]),
            _ => call(
                libc::SYS_fallocate,
                [file, c.value.into(), 0, c.bytes(), 0, 0],
            ),
        }
    }
}

fn vector_of(byte: &mut u8) -> libc::iovec {
    libc::iovec {
        iov_base: (&raw mut *byte).cast(),
        iov_len: 1,
    }
}

fn message(data: &mut libc::iovec, control: &mut [u64; 3]) -> libc::msghdr {
    // SAFETY: All zeros is a valid message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(control);
    message
}

// SPDX-License-Identifier: GPL-2.0

//! The calls that a program is made of, and how they are written down for people.

use crate::program::Call;
use crate::values;
use std::fmt;

/// Declares the operations: each with how often it is generated, relative to the others.
///
/// Their places in this list are their numbers in the corpus: new ones go to the end.
macro_rules! operations {
    ($($op:ident $weight:literal,)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Op {
            $($op,)*
        }

        impl Op {
            pub const ALL: &[Self] = &[$(Self::$op,)*];
            const WEIGHTS: &[u32] = &[$($weight,)*];
        }
    };
}

operations! {
    Open 10,
    Close 8,
    Write 30,
    Read 30,
    Writev 8,
    Readv 8,
    Pwritev2 4,
    Preadv2 8,
    Pwrite 1,
    Pread 1,
    Ioctl 40,
    Ioctl32 6,
    Poll 6,
    Select 3,
    EpollCreate 2,
    EpollControl 5,
    EpollWait 5,
    Fsync 5,
    Lseek 1,
    Mmap 1,
    Fcntl 5,
    Sendfile 2,
    Splice 2,
    Dup 4,
    CloseRange 1,
    Pipe 1,
    Socketpair 1,
    SendFile 2,
    ReceiveFile 2,
    Fork 3,
    Exec 1,
    Signal 5,
    Sysfs 8,
    ReadSysfs 3,
    Unload 1,
    Sleep 6,
    Memory 2,
    Uring 4,
    Aio 3,
    Write32 2,
    Read32 2,
    Writev32 1,
    Readv32 1,
    User 1,
    Reopen 2,
    Stat 1,
}

impl Op {
    /// The operation that a byte stands for. Every byte stands for one.
    pub fn from_byte(byte: u8) -> Self {
        Self::ALL[usize::from(byte) % Self::ALL.len()]
    }

    pub fn to_byte(self) -> u8 {
        self as u8
    }

    /// One by chance, the more frequent ones more often.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        let mut ticket = rng.u32(..Self::WEIGHTS.iter().sum::<u32>());
        for (&op, &weight) in Self::ALL.iter().zip(Self::WEIGHTS) {
            if ticket < weight {
                return op;
            }
            ticket -= weight;
        }
        Self::Write
    }
}

/// How it would look in C, about.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            op,
            thread,
            file,
            memory,
            choice,
            value,
            ..
        } = *self;
        let size = self.bytes();
        let other = self.other();
        write!(f, "t{thread}: ")?;
        match op {
            Op::Open => {
                let (path, flags) = (values::path(choice), values::open_flags(value));
                write!(f, "f{file} = open({path:?}, {flags:#x})")
            }
            Op::Close => write!(f, "close(f{file})"),
            Op::Write | Op::Read | Op::Write32 | Op::Read32 => {
                write!(f, "{op:?}(f{file}, {memory}, {size:#x})")
            }
            Op::Writev | Op::Readv | Op::Writev32 | Op::Readv32 => {
                let (count, shape) = (values::vector_count(value), choice & 7);
                write!(
                    f,
                    "{op:?}(f{file}, {count} like ({memory}, {size:#x}), shape {shape})"
                )
            }
            Op::Pwritev2 | Op::Preadv2 => {
                let flags = values::call_flags(choice >> 3);
                write!(
                    f,
                    "{op:?}(f{file}, ({memory}, {size:#x}), flags {flags:#x})"
                )
            }
            Op::Pwrite | Op::Pread => {
                write!(f, "{op:?}(f{file}, {memory}, {size:#x}, {value})")
            }
            Op::Ioctl | Op::Ioctl32 => {
                let command = values::command(choice, value);
                write!(f, "{op:?}(f{file}, {command:#x}, {memory} with ")?;
                if values::takes_id(choice) {
                    let id = values::id(value);
                    write!(
                        f,
                        "{:?})",
                        id.escape_ascii().to_string().replace("\\x00", ".")
                    )
                } else {
                    write!(f, "{})", values::number(value))
                }
            }
            Op::Poll | Op::Select => {
                let (events, ms) = (values::events(choice), values::wait_ms(value));
                write!(f, "{op:?}(f{file}, f{other}, events {events:#x}, {ms} ms)")
            }
            Op::EpollCreate => write!(f, "f{file} = epoll_create()"),
            Op::EpollControl => {
                let (command, events) =
                    (values::epoll_command(value), values::epoll_events(choice));
                write!(f, "epoll_ctl(f{file}, {command}, f{other}, {events:#x})")
            }
            Op::EpollWait => {
                let ms = values::wait_ms(value);
                write!(
                    f,
                    "epoll_wait(f{file}, {memory}, {}, {ms} ms)",
                    choice as i8
                )
            }
            Op::Fcntl => {
                let (command, argument) = values::fcntl(choice, value);
                write!(f, "fcntl(f{file}, {command}, {argument:#x})")
            }
            Op::Sendfile | Op::Splice => write!(f, "{op:?}(f{file}, f{other}, {size:#x})"),
            Op::Dup => write!(f, "f{other} = dup(f{file}), way {}", choice % 4),
            Op::Pipe | Op::Socketpair => write!(f, "{op:?}(&f{file}, &f{other})"),
            Op::SendFile => write!(f, "send f{other} through f{file}"),
            Op::ReceiveFile => write!(f, "f{other} = received through f{file}"),
            Op::Fork => {
                let calls = choice % 4 + 1;
                write!(
                    f,
                    "fork(), way {}: the next {calls} calls there as well",
                    choice / 4 % 8
                )
            }
            Op::Signal => write!(f, "signal, way {} to t{}", choice % 8, value % 4),
            Op::Sysfs => {
                let (path, text) = (values::attribute(choice), values::text(value));
                let text = String::from_utf8_lossy(&text[..text.len().min(24)]);
                write!(f, "write {text:?} to {path:?}")
            }
            Op::ReadSysfs => {
                let path = values::attribute(choice);
                write!(f, "read {path:?} to ({memory}, {size:#x})")
            }
            Op::Sleep => write!(f, "sleep {} ms", values::sleep_ms(value)),
            Op::Memory => write!(f, "shake memory, way {}", choice % 6),
            Op::Uring | Op::Aio => {
                let what = choice % 4;
                write!(
                    f,
                    "{op:?}(f{file}, {memory}, {size:#x}), way {what}, value {value}"
                )
            }
            Op::Fsync
            | Op::Lseek
            | Op::Mmap
            | Op::CloseRange
            | Op::Exec
            | Op::Unload
            | Op::User
            | Op::Reopen
            | Op::Stat => write!(f, "{op:?}(f{file}), way {choice}, value {value}"),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! What it costs one thread to send a message and receive it again: through a group, and through
//! what else the kernel has.
//!
//!     scripts/vm.sh --icount -- tests/target/release/pair
//!
//! There a nanosecond is an instruction of the guest's, so that this prints instructions, which
//! are the same on every run. Anywhere else it prints nanoseconds. The least of many rounds
//! counts: the others had something else in between.

use std::ffi::CString;
use std::io::{Error, Result};
use std::time::{Duration, Instant};

const SIZES: [usize; 2] = [64, 1024];
const ROUNDS: usize = 40;
const MESSAGES: u32 = 2000;

/// Where messages go in, and where they come out.
struct Contestant {
    name: &'static str,
    write: i32,
    read: i32,
    queue: bool,
}

fn check(result: i32) -> Result<i32> {
    match result {
        -1 => Err(Error::last_os_error()),
        result => Ok(result),
    }
}

fn open(path: &str, flags: i32) -> Result<i32> {
    let path = CString::new(path)?;
    // SAFETY: The path is a string.
    check(unsafe { libc::open(path.as_ptr(), flags) })
}

fn pair(make: impl FnOnce(*mut i32) -> i32) -> Result<[i32; 2]> {
    let mut fds = [0; 2];
    check(make(fds.as_mut_ptr())).map(|_| fds)
}

fn contestants() -> Result<Vec<Contestant>> {
    let fds = |name, [read, write]: [i32; 2]| Contestant {
        name,
        write,
        read,
        queue: false,
    };
    let floor = [
        open("/dev/zero", libc::O_RDONLY)?,
        open("/dev/null", libc::O_WRONLY)?,
    ];
    let group = open("/dev/synch/group0", libc::O_RDWR)?;
    // SAFETY: The array has room for two descriptors.
    let pipe = pair(|fds| unsafe { libc::pipe2(fds, libc::O_DIRECT) })?;
    let (family, kind) = (libc::AF_UNIX, libc::SOCK_SEQPACKET);
    // SAFETY: As above.
    let socket = pair(|fds| unsafe { libc::socketpair(family, kind, 0, fds) })?;

    // SAFETY: All zeroes is a valid value.
    let mut attr: libc::mq_attr = unsafe { std::mem::zeroed() };
    attr.mq_maxmsg = 10;
    attr.mq_msgsize = 1024;
    let name = CString::new(format!("/pair-{}", std::process::id()))?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: The name is a string, and the attributes are ours.
    let queue = check(unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw mut attr) })?;
    // SAFETY: The name is a string.
    check(unsafe { libc::mq_unlink(name.as_ptr()) })?;

    Ok(vec![
        fds("floor (null, zero)", floor),
        fds("groups", [group, group]),
        fds("packet pipe", pipe),
        Contestant {
            queue: true,
            ..fds("POSIX mqueue", [queue, queue])
        },
        fds("AF_UNIX seqpacket", socket),
    ])
}

impl Contestant {
    /// Sends and receives some messages. How long one took.
    fn round(&self, message: &mut [u8]) -> Result<Duration> {
        let (buf, size) = (message.as_mut_ptr(), message.len());
        let start = Instant::now();
        for _ in 0..MESSAGES {
            // SAFETY: The buffer is ours and has this size, which no message exceeds.
            let moved = unsafe {
                if self.queue {
                    let sent = libc::mq_send(self.write, buf.cast(), size, 0);
                    (if sent == 0 { size as isize } else { -1 }).min(libc::mq_receive(
                        self.read,
                        buf.cast(),
                        1024,
                        std::ptr::null_mut(),
                    ))
                } else {
                    libc::write(self.write, buf.cast(), size).min(libc::read(
                        self.read,
                        buf.cast(),
                        size,
                    ))
                }
            };
            if moved != size as isize {
                return Err(Error::last_os_error());
            }
        }
        Ok(start.elapsed() / MESSAGES)
    }
}

fn main() -> Result<()> {
    std::fs::write("/sys/class/groups/group0/max_message_size", "1024")?;
    let contestants = contestants()?;
    // What the machine did before may go on for a while.
    std::thread::sleep(Duration::from_secs(3));
    println!("{:20}{:>8}{:>8}", "bytes", SIZES[0], SIZES[1]);
    for contestant in contestants {
        print!("{:20}", contestant.name);
        for size in SIZES {
            // The buffer has room for what a message queue wants to have room for.
            let mut buf = vec![b'm'; 1024];
            let mut best = Duration::MAX;
            for _ in 0..ROUNDS {
                best = best.min(contestant.round(&mut buf[..size])?);
            }
            print!("{:>8}", best.as_nanos());
        }
        println!();
    }
    Ok(())
}

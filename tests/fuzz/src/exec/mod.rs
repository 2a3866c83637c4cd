// SPDX-License-Identifier: GPL-2.0

//! Carries out a program's calls, in the process that is forked for it.
//!
//! All calls are made as they are, with whatever numbers they have. What they return is told to
//! whoever traces a program, and looked at no further: what calls have to return is for other
//! tests; these look for harm.

mod compat;
mod events;
mod files;
mod process;
mod rings;
mod sysfs;
mod vectors;

pub use compat::is_there as has_compat;
pub use process::{EXECUTED, executed, quieten_signals};

use crate::child::Shared;
use crate::op::Op;
use crate::program::{Call, FILES, Program, THREADS};
use crate::{memory, slow, values};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// How deep the processes of a program may be nested.
const MAX_DEPTH: u8 = 2;

/// What the threads of a process share.
struct Stage {
    files: [AtomicI32; FILES],
    threads: [AtomicI32; THREADS],
    /// The process that was forked last.
    child: AtomicI32,
    /// The descriptors from this one on are the program's.
    first_file: RawFd,
}

/// One thread of a program.
struct Worker<'a> {
    stage: &'a Stage,
    shared: &'a Shared,
    depth: u8,
    tracer: Option<crate::kcov::Buffer>,
}

/// A system call with any arguments. Returns what the kernel returns: errors are negative.
fn call(number: libc::c_long, args: [usize; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: Whoever makes the call sees to it that what the kernel may write to is a region of
    // `memory`, or is its own, or is nothing that is mapped.
    let returned = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if returned == -1 { -errno() } else { returned }
}

fn errno() -> i64 {
    i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Runs a program as the process that this is, which it ends.
pub fn run(program: &Program, shared: &Shared) -> ! {
    if program.calls.iter().any(|call| needs_slow_memory(*call)) {
        slow::start();
    }
    let stage = Stage::new();
    std::thread::scope(|scope| {
        for thread in 1..THREADS {
            let calls = calls_of(program, thread);
            if !calls.is_empty() {
                let stage = &stage;
                scope.spawn(move || Worker::new(stage, shared, 0).run_as(thread, &calls));
            }
        }
        Worker::new(&stage, shared, 0).run_as(0, &calls_of(program, 0));
    });
    // SAFETY: Ends the process; what the parent would do at its end is not done here.
    unsafe { libc::_exit(0) }
}

fn needs_slow_memory(call: Call) -> bool {
    use values::Region::{Never, Slow};
    matches!(call.memory.region, Slow | Never)
}

fn calls_of(program: &Program, thread: usize) -> Vec<Call> {
    let calls = program.calls.iter().copied();
    calls
        .filter(|call| usize::from(call.thread) == thread)
        .collect()
}

impl Stage {
    /// Opens what a program begins with: one group for all, for those who do not wait, and to be
    /// read only; and another group.
    fn new() -> Self {
        let open = |path: &std::ffi::CStr, flags| {
            // SAFETY: The path is a C string.
            unsafe { libc::open(path.as_ptr(), flags) }
        };
        let first = [
            open(c"/dev/group1", libc::O_RDWR),
            open(c"/dev/group1", libc::O_RDWR | libc::O_NONBLOCK),
            open(c"/dev/group2", libc::O_RDWR),
            open(c"/dev/group1", libc::O_RDONLY),
        ];
        Self {
            files: std::array::from_fn(|i| AtomicI32::new(first[i % first.len()])),
            threads: [const { AtomicI32::new(0) }; THREADS],
            child: AtomicI32::new(0),
            first_file: first[0].max(0),
        }
    }
}

impl<'a> Worker<'a> {
    /// Makes the calling thread a worker, and has it traced, if there is a tracer left.
    fn new(stage: &'a Stage, shared: &'a Shared, depth: u8) -> Self {
        let tracer = shared
            .next_buffer()
            .filter(|buffer| buffer.enable().is_ok());
        Self {
            stage,
            shared,
            depth,
            tracer,
        }
    }

    fn run_as(&self, thread: usize, calls: &[Call]) {
        // SAFETY: The call takes nothing.
        self.stage.threads[thread].store(unsafe { libc::gettid() }, Relaxed);
        self.run(calls);
    }

    fn run(&self, calls: &[Call]) {
        for (i, call) in calls.iter().enumerate() {
            self.shared.begin_call();
            if let Some(tracer) = &self.tracer {
                // What was traced in between is the fuzzer's own.
                drop(tracer.take());
            }
            let returned = self.carry_out(*call, &calls[i + 1..]);
            if let Some(tracer) = &self.tracer {
                self.shared.add(tracer.take());
            }
            if self.shared.traces {
                trace(*call, returned);
            }
        }
    }

    fn carry_out(&self, call: Call, rest: &[Call]) -> i64 {
        match call.op {
            Op::Open => self.open(call),
            Op::Close => self.close(call),
            Op::Write | Op::Read | Op::Pwrite | Op::Pread => self.transfer(call),
            Op::Writev | Op::Readv | Op::Pwritev2 | Op::Preadv2 => self.transfer_vector(call),
            Op::Ioctl => self.ioctl(call),
            Op::Ioctl32 | Op::Write32 | Op::Read32 | Op::Writev32 | Op::Readv32 => {
                self.call_compat(call)
            }
            Op::Poll => self.poll(call),
            Op::Select => self.select(call),
            Op::EpollCreate => self.epoll_create(call),
            Op::EpollControl => self.epoll_control(call),
            Op::EpollWait => self.epoll_wait(call),
            Op::Fsync => self.sync(call),
            Op::Lseek => self.seek(call),
            Op::Mmap => self.map(call),
            Op::Fcntl => self.fcntl(call),
            Op::Sendfile | Op::Splice => self.move_data(call),
            Op::Dup => self.dup(call),
            Op::CloseRange => self.close_range(call),
            Op::Pipe | Op::Socketpair => self.make_pair(call),
            Op::SendFile => self.send_file(call),
            Op::ReceiveFile => self.receive_file(call),
            Op::Fork => self.fork(call, rest),
            Op::Exec => self.execute(call),
            Op::Signal => self.signal(call),
            Op::Sysfs => sysfs::write(call),
            Op::ReadSysfs => sysfs::read(call),
            Op::Unload => self.unload(call),
            Op::Sleep => process::sleep(values::sleep_ms(call.value)),
            Op::Memory => {
                memory::shake(call.choice);
                0
            }
            Op::Uring => self.uring(call),
            Op::Aio => self.aio(call),
            Op::User => process::become_nobody(),
            Op::Reopen => self.reopen(call),
            Op::Stat => self.stat(call),
        }
    }

    /// The descriptor in this place. It may be closed by now, or be something else.
    fn file(&self, place: usize) -> usize {
        self.stage.files[place].load(Relaxed) as usize
    }

    /// Puts a new descriptor, unless it is an error, into this place.
    fn put(&self, place: usize, file: i64) -> i64 {
        if file >= 0 {
            self.stage.files[place].store(file as RawFd, Relaxed);
        }
        file
    }
}

fn trace(call: Call, returned: i64) {
    // SAFETY: The call takes nothing.
    let pid = unsafe { libc::getpid() };
    if returned < 0 {
        let error = std::io::Error::from_raw_os_error(-returned as i32);
        eprintln!("  {pid} {call} = {error}");
    } else {
        eprintln!("  {pid} {call} = {returned}");
    }
}

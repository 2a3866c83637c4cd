// SPDX-License-Identifier: GPL-2.0

//! The contract, for a program of one process that nobody else interferes with.
//!
//! What the kernel itself looks at before it asks the module is in here too, for a program cannot
//! tell the two apart: whether a descriptor is one, what it is open for, and whether a pointer is
//! a user's.

use crate::call::{Access, Call, During, Id, MS, Memory, Message, Outcome, extent};
use crate::group::{Deed, Group, Patience};
use nix::errno::Errno;

/// How many places a program has for descriptors.
pub const SLOTS: usize = 5;
/// How many groups a program is about.
pub const GROUPS: usize = 2;
/// How many threads of a program sleep on a barrier at a time.
pub const SLEEPERS: usize = 3;
/// No call is made that may take longer, in nanoseconds.
const LONGEST: u64 = 50 * MS;

/// The groups that there are, by id.
#[derive(Clone, Debug)]
pub struct Registry {
    ids: Vec<(Vec<u8>, u32)>,
    next: u32,
    max: u32,
    /// What all ids of the run begin with.
    prefix: String,
}

impl Registry {
    /// `next` is the number that the next new group gets, `max` how many there may be, and
    /// `prefix`, of 24 bytes at most, what no id begins with.
    pub fn new(next: u32, max: u32, prefix: &str) -> Self {
        Self {
            ids: vec![(b"groups".to_vec(), 0)],
            next,
            max,
            prefix: prefix.to_owned(),
        }
    }

    /// Takes notice of a group.
    pub fn add(&mut self, id: &[u8], number: u32) {
        self.ids.push((id.to_vec(), number));
        self.next = self.next.max(number + 1);
    }

    /// How many groups there are.
    pub fn count(&self) -> u32 {
        self.next
    }

    fn find(&self, id: &[u8]) -> Option<u32> {
        let known = self.ids.iter().find(|(known, _)| known == id);
        known.map(|&(_, number)| number)
    }

    /// What a program's `New` id is.
    fn fresh(&self, number: usize) -> Vec<u8> {
        let mut id = format!("{}.{number}", self.prefix).into_bytes();
        if number % 2 == 1 {
            id.resize(32, b'x');
        }
        id
    }
}

/// One of the program's groups.
#[derive(Clone, Debug)]
struct Named {
    id: Vec<u8>,
    number: u32,
    group: Group,
}

/// An open file. Descriptors share it.
#[derive(Clone, Debug)]
struct File {
    group: usize,
    access: Access,
    nonblock: bool,
    /// In milliseconds.
    receive_timeout: i32,
}

/// The state of everything that a program can see.
#[derive(Clone, Debug)]
pub struct Model {
    registry: Registry,
    groups: Vec<Named>,
    files: Vec<File>,
    slots: [Option<usize>; SLOTS],
}

/// What is expected of a call.
enum Expected {
    /// This.
    Answer(Outcome),
    /// What this can come to in a group.
    Deed(usize, Deed),
}

/// Outcomes are answers; so `?` ends a call that fails.
type Step = Result<Expected, Errno>;

fn answer(value: usize) -> Step {
    Ok(Expected::Answer(Outcome::ok(value)))
}

impl Model {
    /// A program that is about these groups, which are as new, and has nothing open yet.
    pub fn new(registry: Registry, groups: &[(Vec<u8>, u32)]) -> Self {
        let named = |(id, number): &(Vec<u8>, u32)| Named {
            id: id.clone(),
            number: *number,
            group: Group::default(),
        };
        Self {
            registry,
            groups: groups.iter().map(named).collect(),
            files: Vec::new(),
            slots: [None; SLOTS],
        }
    }

    /// What is known of groups when the program has ended.
    pub fn into_registry(self) -> Registry {
        self.registry
    }

    /// The bytes of an id, as `INSTALL_GROUP` takes it.
    pub fn id(&self, id: Id) -> Vec<u8> {
        match id {
            Id::Known(group) => self.groups[group].id.clone(),
            Id::First => b"groups".to_vec(),
            Id::New(number) => self.registry.fresh(number),
            Id::Empty => Vec::new(),
        }
    }

    /// Whether the call has to be left out, at this time, for it would not end soon.
    pub fn would_wait(&self, call: &Call, now: u64) -> bool {
        let (slot, room) = match call {
            Call::Sleep { slot } => {
                let file = self.file(*slot);
                return file.is_ok_and(|file| self.group(file.group).sleepers >= SLEEPERS);
            }
            Call::Read { slot, size, .. } => (*slot, *size),
            Call::Readv { slot, parts } => (*slot, extent(parts, Memory::writable).0),
            _ => return false,
        };
        let Ok(file) = self.file(slot) else {
            return false;
        };
        let waits = match file.patience() {
            Patience::Never => false,
            Patience::For(time) => time > LONGEST,
            Patience::Endless => true,
        };
        waits && room > 0 && !self.group(file.group).has_by(now + LONGEST)
    }

    /// Takes notice of what a call came to. `Err`: the contract does not allow that; what it
    /// allows.
    pub fn observe(
        &mut self,
        call: &Call,
        outcome: &Outcome,
        during: During,
    ) -> Result<(), Vec<Outcome>> {
        let expected = match self.expected(call, during) {
            Err(errno) => Outcome::err(errno),
            Ok(Expected::Answer(expected)) => expected,
            Ok(Expected::Deed(group, deed)) => {
                return self.groups[group].group.observe(&deed, outcome, during);
            }
        };
        if expected == *outcome {
            Ok(())
        } else {
            Err(vec![expected])
        }
    }

    /// What a call has to come to. What does not concern messages is done already.
    fn expected(&mut self, call: &Call, during: During) -> Step {
        match call {
            &Call::Open {
                slot,
                group,
                access,
                nonblock,
            } => {
                self.files.push(File {
                    group,
                    access,
                    nonblock,
                    receive_timeout: 0,
                });
                self.put(slot, self.files.len() - 1, during)
            }
            Call::OpenNobody => Err(Errno::ENXIO),
            &Call::Dup { slot, to } => {
                let file = self.slots[slot].ok_or(Errno::EBADF)?;
                self.put(to, file, during)
            }
            &Call::Close { slot } => {
                let group = self.file(slot)?.group;
                self.slots[slot] = None;
                Ok(Expected::Deed(group, Deed::Flush))
            }
            &Call::SetNonblock { slot, on } => {
                self.file_mut(slot)?.nonblock = on;
                answer(0)
            }
            Call::Write {
                slot,
                message,
                memory,
            } => {
                let file = self.file(*slot)?;
                if !file.access.writes() {
                    return Err(Errno::EBADF);
                }
                refuse_kernel(*memory)?;
                let bytes = message.bytes().into();
                let readable = memory.readable();
                Ok(Expected::Deed(
                    file.group,
                    Deed::Publish { bytes, readable },
                ))
            }
            Call::Writev { slot, fill, parts } => {
                let file = self.file(*slot)?;
                if !file.access.writes() {
                    return Err(Errno::EBADF);
                }
                parts
                    .iter()
                    .try_for_each(|part| refuse_kernel(part.memory))?;
                let (size, readable) = extent(parts, Memory::readable);
                if size == 0 {
                    // The kernel does not ask the module.
                    return answer(0);
                }
                let message = Message { size, fill: *fill };
                let bytes = message.bytes().into();
                Ok(Expected::Deed(
                    file.group,
                    Deed::Publish { bytes, readable },
                ))
            }
            Call::Read { slot, size, memory } => {
                let file = self.file(*slot)?;
                if !file.access.reads() {
                    return Err(Errno::EBADF);
                }
                refuse_kernel(*memory)?;
                Ok(file.deliver(*size, memory.writable()))
            }
            Call::Readv { slot, parts } => {
                let file = self.file(*slot)?;
                if !file.access.reads() {
                    return Err(Errno::EBADF);
                }
                parts
                    .iter()
                    .try_for_each(|part| refuse_kernel(part.memory))?;
                let (room, writable) = extent(parts, Memory::writable);
                Ok(file.deliver(room, writable))
            }
            Call::Revoke { slot } => Ok(Expected::Deed(self.file(*slot)?.group, Deed::Revoke)),
            Call::Fsync { slot } => Ok(Expected::Deed(self.file(*slot)?.group, Deed::Flush)),
            Call::FirstSize { slot, memory } => {
                let group = self.file(*slot)?.group;
                let writable = memory.writable();
                Ok(Expected::Deed(group, Deed::FirstSize { writable }))
            }
            // Of a descriptor that is none there is nothing to tell.
            Call::Poll { slot } => match self.file(*slot) {
                Ok(file) => Ok(Expected::Deed(file.group, Deed::Events)),
                Err(_) => answer(0),
            },
            Call::Seek { slot } | Call::Pread { slot } | Call::Pwrite { slot } => {
                self.file(*slot)?;
                Err(Errno::ESPIPE)
            }
            Call::Pause { .. } => answer(0),
            call => self.expected_of_group(call),
        }
    }

    /// As above, of calls that have to do with a group as a whole.
    fn expected_of_group(&mut self, call: &Call) -> Step {
        match call {
            &Call::SetSendDelay {
                slot, ms, memory, ..
            } => {
                let group = self.file(slot)?.group;
                read_word(memory)?;
                self.group_mut(group).delay_ms = ms;
                answer(0)
            }
            &Call::SetReceiveTimeout { slot, ms, memory } => {
                let file = self.file_mut(slot)?;
                read_word(memory)?;
                if ms < -1 {
                    return Err(Errno::EINVAL);
                }
                file.receive_timeout = ms;
                answer(0)
            }
            &Call::Install {
                slot, id, memory, ..
            } => {
                self.file(slot)?;
                self.install(id, memory)
            }
            Call::UnknownIoctl { slot, .. } => {
                self.file(*slot)?;
                Err(Errno::ENOTTY)
            }
            Call::Sleep { slot } => {
                let group = self.file(*slot)?.group;
                self.group_mut(group).sleepers += 1;
                answer(1)
            }
            Call::Interrupt { group } => {
                let sleepers = &mut self.group_mut(*group).sleepers;
                if *sleepers == 0 {
                    return answer(0);
                }
                *sleepers -= 1;
                let answer = Outcome::with(1, vec![Errno::EINTR as u8]);
                Ok(Expected::Answer(answer))
            }
            Call::Awake { slot } => {
                let group = self.file(*slot)?.group;
                let sleepers = std::mem::take(&mut self.group_mut(group).sleepers);
                let value = if sleepers > 0 { 0 } else { 2 };
                let answer = Outcome::with(value, vec![0; sleepers]);
                Ok(Expected::Answer(answer))
            }
            Call::SetLimit { group, limit, text } => {
                if text.is_empty() {
                    // The kernel does not ask the module.
                    return answer(0);
                }
                let value = number(text)?;
                *self.group_mut(*group).limit(*limit) = value;
                answer(text.len())
            }
            Call::GetLimit { group, limit } => {
                let value = *self.group_mut(*group).limit(*limit);
                Ok(text(format!("{value}\n").into_bytes()))
            }
            Call::GetId { group } => {
                let id = &self.groups[*group].id;
                Ok(text([id.as_slice(), b"\n"].concat()))
            }
            call => unreachable!("{call:?} is looked at before"),
        }
    }

    /// `INSTALL_GROUP`
    fn install(&mut self, id: Id, memory: Memory) -> Step {
        if memory.readable() < 32 {
            return Err(Errno::EFAULT);
        }
        let id = self.id(id);
        if id.is_empty() {
            return Err(Errno::EINVAL);
        }
        let found = self.registry.find(&id);
        let number = found.unwrap_or(self.registry.next);
        if found.is_none() && number >= self.registry.max {
            return Err(Errno::EDQUOT);
        }
        if memory.writable() < 58 {
            return Err(Errno::EFAULT);
        }
        if found.is_none() {
            self.registry.add(&id, number);
        }
        let devname = format!("group{number}").into_bytes();
        let made = usize::from(found.is_none());
        Ok(Expected::Answer(Outcome::with(made, devname)))
    }

    /// Puts a descriptor of a file into a slot.
    fn put(&mut self, slot: usize, file: usize, during: During) -> Step {
        let old = self.slots[slot].replace(file);
        if let Some(old) = old {
            // Closing it cannot fail, and tells nothing.
            let group = self.files[old].group;
            let closed = Outcome::ok(0);
            let result = self.group_mut(group).observe(&Deed::Flush, &closed, during);
            result.expect("a flush does not fail");
        }
        answer(0)
    }

    fn file(&self, slot: usize) -> Result<&File, Errno> {
        self.slots[slot]
            .map(|file| &self.files[file])
            .ok_or(Errno::EBADF)
    }

    fn file_mut(&mut self, slot: usize) -> Result<&mut File, Errno> {
        self.slots[slot]
            .map(|file| &mut self.files[file])
            .ok_or(Errno::EBADF)
    }

    fn group(&self, group: usize) -> &Group {
        &self.groups[group].group
    }

    fn group_mut(&mut self, group: usize) -> &mut Group {
        &mut self.groups[group].group
    }

    /// The number of one of the program's groups.
    pub fn number(&self, group: usize) -> u32 {
        self.groups[group].number
    }
}

impl File {
    fn patience(&self) -> Patience {
        if self.nonblock {
            Patience::Never
        } else {
            Patience::of_timeout(self.receive_timeout)
        }
    }

    fn deliver(&self, room: usize, writable: usize) -> Expected {
        let patience = self.patience();
        let deed = Deed::Deliver {
            room,
            writable,
            patience,
        };
        Expected::Deed(self.group, deed)
    }
}

/// What is not a user's, the kernel refuses before it looks at anything else.
fn refuse_kernel(memory: Memory) -> Result<(), Errno> {
    if memory == Memory::Kernel {
        return Err(Errno::EFAULT);
    }
    Ok(())
}

fn read_word(memory: Memory) -> Result<(), Errno> {
    if memory.readable() < 4 {
        return Err(Errno::EFAULT);
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> Expected {
    Expected::Answer(Outcome::with(bytes.len(), bytes))
}

/// The number that an attribute is set to.
fn number(text: &str) -> Result<u64, Errno> {
    let digits = text.strip_suffix('\n').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Errno::EINVAL);
    }
    digits.parse().map_err(|_| Errno::ERANGE)
}

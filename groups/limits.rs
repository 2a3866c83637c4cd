// SPDX-License-Identifier: GPL-2.0

//! How much a group may hold, and how much it holds.
//!
//! Plain policy: no kernel type, no allocation, no lock. An [`Account`] is shared as it is; the
//! machine's atomic words are brought by the caller, so that it compiles on the host too, where it
//! is tested.

/// A word that several threads change at the same time. No order with other memory is asked for.
pub(crate) trait Word {
    /// Makes one with this value.
    fn new(value: usize) -> Self;
    /// The value.
    fn load(&self) -> usize;
    /// Sets the value.
    fn store(&self, value: usize);
    /// Sets the value to `new` if it is `old`; if it is not, returns what it is.
    fn replace(&self, old: usize, new: usize) -> Result<(), usize>;
    /// Takes `count` away from the value.
    fn subtract(&self, count: usize);
}

/// A group's two limits, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// The largest message that may be sent.
    pub(crate) max_message_size: usize,
    /// The most that published and delayed messages together may hold.
    pub(crate) max_storage_size: usize,
}

/// Why a message is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// It has no bytes.
    Empty,
    /// It is larger than `max_message_size`.
    TooLarge,
    /// There is no room for it within `max_storage_size`.
    NoRoom,
}

/// What a group's messages, published and delayed, take up: payload bytes.
///
/// # Invariants
///
/// `stored` is the sum of what was [reserved](Account::reserve) and not [given
/// back](Account::give_back). It exceeds `max_storage_size` only where that limit was lowered
/// after the bytes had been reserved.
pub(crate) struct Account<W> {
    max_message_size: W,
    max_storage_size: W,
    stored: W,
}

impl<W: Word> Account<W> {
    /// An account of an empty group.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            max_message_size: W::new(limits.max_message_size),
            max_storage_size: W::new(limits.max_storage_size),
            stored: W::new(0),
        }
    }

    /// Takes room for a message of `size` bytes, or says why there is none and changes nothing.
    ///
    /// Cost: one atomic operation, again for each other thread that comes in between. No lock.
    pub(crate) fn reserve(&self, size: usize) -> Result<(), Refusal> {
        if size == 0 {
            return Err(Refusal::Empty);
        }
        let limits = self.limits();
        if size > limits.max_message_size {
            return Err(Refusal::TooLarge);
        }
        let mut stored = self.stored.load();
        loop {
            let sum = stored.checked_add(size).ok_or(Refusal::NoRoom)?;
            if sum > limits.max_storage_size {
                return Err(Refusal::NoRoom);
            }
            // INVARIANT: `sum` is within the limit, and what others reserved is in it.
            match self.stored.replace(stored, sum) {
                Ok(()) => return Ok(()),
                Err(now) => stored = now,
            }
        }
    }

    /// Gives back room that was reserved: the message was delivered, revoked, or never came to be.
    ///
    /// Cost: one atomic operation. No lock.
    pub(crate) fn give_back(&self, size: usize) {
        // INVARIANT: The caller reserved `size`, so this does not go below 0.
        self.stored.subtract(size);
    }

    /// Whether a message of `max_message_size` would be accepted.
    pub(crate) fn accepts_largest(&self) -> bool {
        let limits = self.limits();
        limits.max_message_size > 0
            && self
                .stored
                .load()
                .checked_add(limits.max_message_size)
                .is_some_and(|sum| sum <= limits.max_storage_size)
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_message_size: self.max_message_size.load(),
            max_storage_size: self.max_storage_size.load(),
        }
    }

    /// Sets `max_message_size` for messages that come from now on. What is stored stays.
    pub(crate) fn set_max_message_size(&self, size: usize) {
        self.max_message_size.store(size);
    }

    /// Sets `max_storage_size` for messages that come from now on. What is stored stays; if that
    /// is more, new messages are refused until there is room.
    pub(crate) fn set_max_storage_size(&self, size: usize) {
        self.max_storage_size.store(size);
    }
}

/// Why a text is not a size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SizeError {
    /// It is something else than decimal digits and one newline at most behind them.
    NotANumber,
    /// It is a number that an unsigned long does not hold.
    OutOfRange,
}

/// Reads a size as it is written into sysfs: decimal digits, with or without a newline.
pub(crate) fn parse_size(text: &[u8]) -> Result<usize, SizeError> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(SizeError::NotANumber);
    }
    digits.iter().try_fold(0usize, |size, digit| {
        size.checked_mul(10)
            .and_then(|size| size.checked_add(usize::from(digit - b'0')))
            .ok_or(SizeError::OutOfRange)
    })
}

// SPDX-License-Identifier: GPL-2.0

//! How much a group may hold, and how much it holds.
//!
//! Plain policy: no kernel type, no allocation, no lock, so that it compiles on the host too, where
//! it is tested.

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
pub(crate) struct Account {
    limits: Limits,
    stored: usize,
}

impl Account {
    /// An account of an empty group.
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { limits, stored: 0 }
    }

    /// Whether there is room for a message of `size` bytes; if not, why.
    #[inline(always)]
    pub(crate) fn check(&self, size: usize) -> Result<(), Refusal> {
        if size == 0 {
            return Err(Refusal::Empty);
        }
        if size > self.limits.max_message_size {
            return Err(Refusal::TooLarge);
        }
        match self.stored.checked_add(size) {
            Some(sum) if sum <= self.limits.max_storage_size => Ok(()),
            _ => Err(Refusal::NoRoom),
        }
    }

    /// Takes room for a message of `size` bytes, which [was found](Self::check) to be there.
    #[inline(always)]
    pub(crate) fn take(&mut self, size: usize) {
        // INVARIANT: The sum is within the limit, so this does not overflow.
        self.stored = self.stored.saturating_add(size);
    }

    /// Takes room for a message of `size` bytes, or says why there is none and changes nothing.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, size: usize) -> Result<(), Refusal> {
        self.check(size)?;
        self.take(size);
        Ok(())
    }

    /// Gives back room that was reserved: the message was delivered, revoked, or never came to be.
    #[inline(always)]
    pub(crate) fn give_back(&mut self, size: usize) {
        // INVARIANT: The caller reserved `size`, so this does not go below 0.
        self.stored = self.stored.saturating_sub(size);
    }

    /// Whether a message of `max_message_size` would be accepted.
    pub(crate) fn accepts_largest(&self) -> bool {
        self.check(self.limits.max_message_size).is_ok()
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Sets `max_message_size` for messages that come from now on. What is stored stays.
    pub(crate) fn set_max_message_size(&mut self, size: usize) {
        self.limits.max_message_size = size;
    }

    /// Sets `max_storage_size` for messages that come from now on. What is stored stays; if that
    /// is more, new messages are refused until there is room.
    pub(crate) fn set_max_storage_size(&mut self, size: usize) {
        self.limits.max_storage_size = size;
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

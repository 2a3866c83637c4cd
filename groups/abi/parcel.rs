// SPDX-License-Identifier: GPL-2.0

//! A header and payloads in one allocation, and chains of such parcels.
//!
//! A [`Parcel`] carries the links of the [`Chain`] or [`Schedule`](super::schedule::Schedule) that
//! it is in, so that putting it there, and taking it out again, needs no memory and cannot fail.

use super::buffer::{
    Faults,
    Source, //
};
use core::{
    alloc::Layout,
    marker::PhantomData,
    mem::{
        self,
        MaybeUninit, //
    },
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// How parcels are allocated: charged to the memory cgroup of the caller; and where there is no
/// memory, for the caller to see, rather than for the log to tell or for some process to be killed.
///
/// `__GFP_RETRY_MAYFAIL` is why the kernel crate's allocators are not used: it cannot be had there.
const FLAGS: bindings::gfp_t =
    bindings::GFP_KERNEL_ACCOUNT | bindings::__GFP_NOWARN | 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;

/// What payloads behind the first one begin at a multiple of, in bytes; so much before them is
/// their length.
const GRAIN: usize = 8;

/// What a parcel's allocation begins with. The bytes for payloads follow it without a gap.
///
/// # Invariants
///
/// - `size` bytes follow it.
/// - If `first` is 0, so are `begin` and `end`, and there is no payload.
/// - If `room` is 0, the parcel is sealed: `begin` and `end` are 0, and the first `first` bytes are
///   initialized, and its payload.
/// - If `room` is not 0, the parcel is open, and `room` is at most `size`. `first` initialized bytes
///   from `begin` on are the first payload, and `end` is where the last one ends, within the room.
///   Each but the first one begins at a multiple of [`GRAIN`], and its length is in the [`GRAIN`]
///   bytes before, which follow the payload before as closely as they can.
#[repr(C)]
pub(super) struct Head<H> {
    /// The parcel behind this one, owned, if this one is in a chain.
    pub(super) next: Option<NonNull<Head<H>>>,
    /// The place in a schedule's tree, if this one is in a schedule.
    pub(super) node: bindings::rb_node,
    size: u32,
    first: u32,
    room: u16,
    begin: u16,
    end: u16,
    pub(super) header: H,
}

impl<H> Head<H> {
    /// The layout of a parcel with `size` bytes for payloads. `None`: that is more than there can
    /// be.
    fn layout(size: usize) -> Option<Layout> {
        let payload = Layout::array::<u8>(size).ok()?;
        // The first payload needs no alignment, so it begins where the head ends.
        Some(Layout::new::<Self>().extend(payload).ok()?.0)
    }

    /// Where the bytes for payloads are: right behind the head.
    fn bytes(head: NonNull<Self>) -> *mut u8 {
        head.as_ptr().wrapping_add(1).cast()
    }

    /// The first payload; empty if there is none.
    ///
    /// # Safety
    ///
    /// `head` must be valid, and stay so, unchanged, for as long as `'a` lasts.
    #[inline(always)]
    unsafe fn first<'a>(head: NonNull<Self>) -> &'a [u8] {
        // SAFETY: By the safety requirements.
        let this = unsafe { head.as_ref() };
        // SAFETY: By the type invariant so many bytes there are allocated and initialized.
        unsafe {
            slice::from_raw_parts(
                Self::bytes(head).wrapping_add(this.begin as usize),
                this.first as usize,
            )
        }
    }

    /// Where a further payload of `len` bytes goes, if there is room for it.
    #[inline(always)]
    fn place(&self, len: usize) -> Option<usize> {
        let at = match self.first {
            0 => 0,
            _ => Self::behind(usize::from(self.end)).wrapping_add(GRAIN),
        };
        // `at` is at most 2 * GRAIN above what a `u16` holds.
        let end = at.checked_add(len)?;
        (len > 0 && end <= usize::from(self.room)).then_some(at)
    }

    /// The first multiple of [`GRAIN`] that is not before `end`.
    #[inline(always)]
    fn behind(end: usize) -> usize {
        end.wrapping_add(GRAIN - 1) & !(GRAIN - 1)
    }

    /// Appends all that `from` has as a payload, if there is room for it, and says whether there
    /// was.
    ///
    /// `accept` sees it before it counts. If it refuses, or not all of `from` can be read
    /// ([`EFAULT`]), nothing has changed.
    ///
    /// # Safety
    ///
    /// `head` must be valid, and nobody else must use it or what follows it.
    #[inline(always)]
    unsafe fn append<S: Source>(
        mut head: NonNull<Self>,
        from: &mut S,
        faults: Faults,
        accept: impl FnOnce(&[u8]) -> Result,
    ) -> Result<bool> {
        // SAFETY: By the safety requirements.
        let this = unsafe { head.as_mut() };
        let len = from.len();
        let Some(at) = this.place(len) else {
            return Ok(false);
        };
        let place: *mut MaybeUninit<u8> = Self::bytes(head).wrapping_add(at).cast();
        // SAFETY: `place` says that `len` bytes there are within the room and behind all
        // payloads; by the safety requirements nobody else uses them.
        let payload = from.copy_to(unsafe { slice::from_raw_parts_mut(place, len) }, faults)?;
        accept(payload)?;

        // INVARIANT: The payload was initialized, and it is where the invariant has the next one;
        // `place` gives nothing above the room, which is a `u16`.
        if this.first == 0 {
            this.first = len as u32;
        } else {
            // SAFETY: `at` is a multiple of GRAIN, at least GRAIN, and the bytes before it are
            // behind the last payload. What follows the head is aligned as the head is.
            unsafe { place.cast::<u32>().byte_sub(GRAIN).write(len as u32) };
        }
        this.end = at.wrapping_add(len) as u16;
        Ok(true)
    }

    /// Drops the first payload, and says whether there is none any more.
    ///
    /// # Safety
    ///
    /// `head` must be valid, and nobody else must use it or what follows it.
    #[inline(always)]
    unsafe fn drop_first(mut head: NonNull<Self>) -> bool {
        // SAFETY: By the safety requirements.
        let this = unsafe { head.as_mut() };
        // INVARIANT: If nothing is behind the first payload, there is none any more; else what is
        // behind it, by the type invariant, is the length of the one that is now the first.
        let next = Self::behind(usize::from(this.begin).wrapping_add(this.first as usize));
        if next >= usize::from(this.end) {
            (this.begin, this.end, this.first) = (0, 0, 0);
            return true;
        }
        // SAFETY: By the type invariant there is a length.
        this.first = unsafe { Self::bytes(head).wrapping_add(next).cast::<u32>().read() };
        this.begin = next.wrapping_add(GRAIN) as u16;
        false
    }
}

/// A header of type `H` and payloads, first in, first out, in one allocation.
///
/// Either it is sealed and has one payload, for which it was made, or it is open: it has room for
/// several payloads, and at times none.
///
/// Dropping it frees the memory. Process context; sleeps, unless it is a page at most.
///
/// # Invariants
///
/// `head` was allocated by `kvrealloc`, with the layout for its size, is owned by this value, and
/// is valid. `head.next` is `None`.
pub(crate) struct Parcel<H> {
    head: NonNull<Head<H>>,
    _owns: PhantomData<H>,
}

// SAFETY: A parcel owns its header and payloads, and they can be used by any thread if `H` can.
unsafe impl<H: Send> Send for Parcel<H> {}
// SAFETY: A shared reference to a parcel gives shared references to its header and payloads alone.
unsafe impl<H: Sync> Sync for Parcel<H> {}

impl<H> Parcel<H> {
    /// The room of an open parcel that takes up `size` bytes in all.
    pub(crate) const fn room_within(size: u16) -> u16 {
        size.saturating_sub(size_of::<Head<H>>() as u16)
    }

    /// Allocates an open parcel without a payload, with room for `room` bytes: payloads, and
    /// between them up to 15 bytes each.
    ///
    /// The memory is charged to the caller's memory cgroup. Process context; sleeps. [`ENOMEM`].
    pub(crate) fn open(header: H, room: u16) -> Result<Self> {
        Self::allocate(header, usize::from(room), room)
    }

    /// Allocates a parcel without a payload, with `size` bytes for payloads. `room` is 0, or at most
    /// `size`.
    fn allocate(header: H, size: usize, room: u16) -> Result<Self> {
        let layout = Head::<H>::layout(size).ok_or(ENOMEM)?;
        let size = u32::try_from(size).map_err(|_| ENOMEM)?;
        // SAFETY: There is no old allocation, and the size is not 0. Memory so allocated is aligned
        // as asked for.
        let head = unsafe {
            bindings::kvrealloc_node_align(
                ptr::null(),
                layout.size(),
                layout.align(),
                FLAGS,
                bindings::NUMA_NO_NODE,
            )
        };
        let head: NonNull<Head<H>> = NonNull::new(head.cast()).ok_or(ENOMEM)?;
        // SAFETY: The allocation is large enough for a head, and aligned for one.
        unsafe {
            head.write(Head {
                next: None,
                node: pin_init::zeroed(),
                size,
                first: 0,
                room,
                begin: 0,
                end: 0,
                header,
            })
        };
        // INVARIANT: It was allocated and written above.
        Ok(Self {
            head,
            _owns: PhantomData,
        })
    }

    /// Makes a sealed parcel whose payload is all that `from` has, if `accept` does not refuse it:
    /// in the memory of `old` if that is large enough, and not more than twice as large; else it
    /// allocates, charged to the caller's memory cgroup.
    ///
    /// Process context; sleeps for memory and for user memory. [`ENOMEM`]: there is no memory;
    /// [`EFAULT`]: not all of `from` can be read; whatever `accept` returns.
    pub(crate) fn sealed<S: Source>(
        header: H,
        from: &mut S,
        old: Option<Self>,
        accept: impl FnOnce(&[u8]) -> Result,
    ) -> Result<Self> {
        let len = from.len();
        let mut parcel = match old {
            Some(mut old) if len <= old.size() && old.size() / 2 <= len => {
                *old.header_mut() = header;
                old
            }
            _ => Self::allocate(header, len, 0)?,
        };
        let place: *mut MaybeUninit<u8> = Head::bytes(parcel.head).cast();
        // SAFETY: By the type invariant at least `len` bytes there are ours.
        let place = unsafe { slice::from_raw_parts_mut(place, len) };
        accept(from.copy_to(place, Faults::Handled)?)?;
        // SAFETY: By the type invariant the head is valid and ours.
        let head = unsafe { parcel.head.as_mut() };
        // INVARIANT: The parcel is sealed, and so much of it was initialized above; there are no
        // more than `size`, which is a `u32`.
        (head.first, head.room, head.begin, head.end) = (len as u32, 0, 0, 0);
        Ok(parcel)
    }

    /// Appends all that `from` has as a payload, if there is room for it, and says whether there
    /// was.
    ///
    /// `accept` sees it before it counts. If it refuses, or not all of `from` can be read
    /// ([`EFAULT`]), nothing has changed.
    #[inline(always)]
    pub(crate) fn append<S: Source>(
        &mut self,
        from: &mut S,
        faults: Faults,
        accept: impl FnOnce(&[u8]) -> Result,
    ) -> Result<bool> {
        // SAFETY: By the type invariant the head is valid and ours.
        unsafe { Head::append(self.head, from, faults, accept) }
    }

    fn head(&self) -> &Head<H> {
        // SAFETY: By the type invariant the head is valid and ours.
        unsafe { self.head.as_ref() }
    }

    /// Whether it was made for several payloads.
    pub(crate) fn is_open(&self) -> bool {
        self.head().room != 0
    }

    /// How many bytes there are for payloads.
    pub(crate) fn size(&self) -> usize {
        self.head().size as usize
    }

    /// The header, to be changed.
    pub(crate) fn header_mut(&mut self) -> &mut H {
        // SAFETY: By the type invariant the head is valid and ours.
        unsafe { &mut self.head.as_mut().header }
    }

    /// The first payload; empty if there is none.
    pub(crate) fn payload(&self) -> &[u8] {
        // SAFETY: By the type invariant the head is valid; it is borrowed as long as this is.
        unsafe { Head::first(self.head) }
    }

    /// Gives up ownership of the allocation.
    pub(super) fn into_raw(self) -> NonNull<Head<H>> {
        let head = self.head;
        mem::forget(self);
        head
    }

    /// Takes ownership of the allocation.
    ///
    /// # Safety
    ///
    /// `head` must come from [`Self::into_raw`], be owned by the caller, and have no `next`.
    unsafe fn from_raw(head: NonNull<Head<H>>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            head,
            _owns: PhantomData,
        }
    }
}

impl<H> Drop for Parcel<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the head is valid and ours; it is not used after this.
        unsafe { self.head.drop_in_place() };
        // SAFETY: By the type invariant it was allocated by `kvrealloc`, and is not used after this.
        unsafe { bindings::kvfree(self.head.as_ptr().cast()) };
    }
}

/// Parcels in a row, first in, first out.
///
/// Everything but [dropping](Drop) and [`insert_behind`](Self::insert_behind) is constant cost.
/// Dropping it frees all parcels in it. Process context; sleeps.
///
/// # Invariants
///
/// The parcels from `first` along `next` are owned by the chain, and there are finitely many.
/// `last` is the last of them; it is `None` exactly if `first` is.
pub(crate) struct Chain<H> {
    pub(super) first: Option<NonNull<Head<H>>>,
    pub(super) last: Option<NonNull<Head<H>>>,
    _owns: PhantomData<H>,
}

// SAFETY: A chain owns its parcels.
unsafe impl<H: Send> Send for Chain<H> {}
// SAFETY: A shared reference to a chain gives shared references to its parcels alone.
unsafe impl<H: Sync> Sync for Chain<H> {}

impl<H> Chain<H> {
    /// A chain without parcels.
    pub(crate) const fn new() -> Self {
        // INVARIANT: There are none.
        Self {
            first: None,
            last: None,
            _owns: PhantomData,
        }
    }

    /// Appends a parcel.
    pub(crate) fn push_back(&mut self, parcel: Parcel<H>) {
        let head = parcel.into_raw();
        match self.last {
            // SAFETY: By the type invariant the last parcel is valid and ours.
            Some(mut last) => unsafe { last.as_mut() }.next = Some(head),
            None => self.first = Some(head),
        }
        // INVARIANT: `head` is behind what was the last one, and nothing is behind it.
        self.last = Some(head);
    }

    /// Appends all parcels of `other`, and leaves it without any.
    pub(crate) fn append(&mut self, other: &mut Self) {
        let Some(first) = other.first.take() else {
            return;
        };
        match self.last {
            // SAFETY: By the type invariant the last parcel is valid and ours.
            Some(mut last) => unsafe { last.as_mut() }.next = Some(first),
            None => self.first = Some(first),
        }
        // INVARIANT: What is behind our last one now ends with the last one of `other`, which
        // owns none of them any more.
        self.last = other.last.take();
    }

    /// Takes the first parcel out.
    pub(crate) fn pop_front(&mut self) -> Option<Parcel<H>> {
        let mut first = self.first?;
        // INVARIANT: The chain now begins behind what was the first one, which is not ours any
        // more; if nothing is there, it has no last one either.
        // SAFETY: By the type invariant the first parcel is valid and ours.
        self.first = unsafe { first.as_mut() }.next.take();
        if self.first.is_none() {
            self.last = None;
        }
        // SAFETY: The chain owned it and does not any more; its `next` was taken.
        Some(unsafe { Parcel::from_raw(first) })
    }

    /// Puts a parcel behind the first parcels for whose headers `goes_before` holds.
    ///
    /// Cost: as many steps as there are such parcels.
    pub(crate) fn insert_behind(
        &mut self,
        parcel: Parcel<H>,
        mut goes_before: impl FnMut(&H) -> bool,
    ) {
        let mut head = parcel.into_raw();
        let mut before: Option<NonNull<Head<H>>> = None;
        let mut behind = self.first;
        while let Some(at) = behind {
            // SAFETY: By the type invariant, this is a valid parcel of ours.
            let at_head = unsafe { at.as_ref() };
            if !goes_before(&at_head.header) {
                break;
            }
            before = behind;
            behind = at_head.next;
        }

        // INVARIANT: `head` goes between `before` and `behind`, which are neighbours, or one of
        // the ends.
        // SAFETY: The parcel is valid, and owned by us.
        unsafe { head.as_mut() }.next = behind;
        match before {
            // SAFETY: By the type invariant, this is a valid parcel of ours.
            Some(mut before) => unsafe { before.as_mut() }.next = Some(head),
            None => self.first = Some(head),
        }
        if behind.is_none() {
            self.last = Some(head);
        }
    }

    /// The first parcel's first payload.
    #[inline(always)]
    pub(crate) fn first_payload(&self) -> Option<&[u8]> {
        // SAFETY: By the type invariant, this is a valid parcel of ours, and stays so for as long
        // as the chain is borrowed.
        Some(unsafe { Head::first(self.first?) })
    }

    /// Drops the first parcel's first payload. If it was the only one there, the parcel leaves the
    /// chain.
    #[inline(always)]
    pub(crate) fn drop_first_payload(&mut self) -> Option<Parcel<H>> {
        // SAFETY: By the type invariant, this is a valid parcel of ours.
        if unsafe { Head::drop_first(self.first?) } {
            self.pop_front()
        } else {
            None
        }
    }

    /// Appends all that `from` has to the last parcel, if there is one with room for it, and says
    /// whether there was.
    ///
    /// `accept` sees it before it counts. If it refuses, or not all of `from` can be read
    /// ([`EFAULT`]), nothing has changed.
    #[inline(always)]
    pub(crate) fn append_payload<S: Source>(
        &mut self,
        from: &mut S,
        faults: Faults,
        accept: impl FnOnce(&[u8]) -> Result,
    ) -> Result<bool> {
        match self.last {
            // SAFETY: By the type invariant, this is a valid parcel of ours.
            Some(last) => unsafe { Head::append(last, from, faults, accept) },
            None => Ok(false),
        }
    }

    /// Whether the first parcel was made for several payloads.
    pub(crate) fn begins_open(&self) -> bool {
        match self.first {
            // SAFETY: By the type invariant, this is a valid parcel of ours.
            Some(first) => unsafe { first.as_ref() }.room != 0,
            None => false,
        }
    }

    /// Whether the last parcel was made for several payloads.
    pub(crate) fn ends_open(&self) -> bool {
        match self.last {
            // SAFETY: By the type invariant, this is a valid parcel of ours.
            Some(last) => unsafe { last.as_ref() }.room != 0,
            None => false,
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl<H> Drop for Chain<H> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}

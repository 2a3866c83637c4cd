// SPDX-License-Identifier: GPL-2.0

//! A header and a payload in one allocation, and chains of such parcels.
//!
//! A [`Parcel`] carries the links of the [`Chain`] or [`Schedule`](super::schedule::Schedule) that
//! it is in, so that putting it there, and taking it out again, needs no memory and cannot fail.

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
    iov::IovIterSource,
    prelude::*, //
};

/// How parcels are allocated: charged to the memory cgroup of the caller; and where there is no
/// memory, for the caller to see, rather than for the log to tell or for some process to be killed.
///
/// `__GFP_RETRY_MAYFAIL` is why the kernel crate's allocators are not used: it cannot be had there.
const FLAGS: bindings::gfp_t =
    bindings::GFP_KERNEL_ACCOUNT | bindings::__GFP_NOWARN | 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;

/// What a parcel's allocation begins with. `len` bytes of payload follow it without a gap.
#[repr(C)]
pub(super) struct Head<H> {
    /// The parcel behind this one, owned, if this one is in a chain.
    pub(super) next: Option<NonNull<Head<H>>>,
    /// The place in a schedule's tree, if this one is in a schedule.
    pub(super) node: bindings::rb_node,
    len: usize,
    pub(super) header: H,
}

impl<H> Head<H> {
    /// The layout of a parcel with a payload of `len` bytes. `None`: that is more than there can
    /// be.
    fn layout(len: usize) -> Option<Layout> {
        let payload = Layout::array::<u8>(len).ok()?;
        // Bytes need no alignment, so the payload begins where the head ends.
        Some(Layout::new::<Self>().extend(payload).ok()?.0)
    }

    /// Where the payload of a parcel is: right behind the head.
    fn payload(head: NonNull<Self>) -> *mut u8 {
        head.as_ptr().wrapping_add(1).cast()
    }
}

/// A header of type `H` and a payload of bytes, in one allocation.
///
/// Dropping it frees the memory, for which large parcels need process context.
///
/// # Invariants
///
/// `head` was allocated with the layout for its `len`, is owned by this value, and its payload is
/// initialized. `head.next` is `None`.
pub(crate) struct Parcel<H> {
    head: NonNull<Head<H>>,
    _owns: PhantomData<H>,
}

// SAFETY: A parcel owns its header and payload, and they can be used by any thread if `H` can.
unsafe impl<H: Send> Send for Parcel<H> {}
// SAFETY: A shared reference to a parcel gives shared references to its header and payload alone.
unsafe impl<H: Sync> Sync for Parcel<H> {}

impl<H> Parcel<H> {
    /// Allocates a parcel whose payload is all that `from` has.
    ///
    /// The memory is charged to the caller's memory cgroup. Process context; sleeps for memory and
    /// for user memory. [`ENOMEM`]: there is no memory; [`EFAULT`]: not all of `from` can be read.
    pub(crate) fn copy_from(header: H, from: &mut IovIterSource<'_>) -> Result<Self> {
        let len = from.len();
        let layout = Head::<H>::layout(len).ok_or(ENOMEM)?;
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
                len,
                header,
            })
        };
        // INVARIANT: Allocated and written above.
        let allocation = Allocation(head);

        let payload: *mut MaybeUninit<u8> = Head::payload(head).cast();
        // SAFETY: The layout has `len` bytes there, which nobody else uses.
        let payload = unsafe { slice::from_raw_parts_mut(payload, len) };
        if from.copy_from_iter_raw(payload).len() != len {
            return Err(EFAULT);
        }

        mem::forget(allocation);
        // INVARIANT: It was allocated above, and all of the payload has been initialized.
        Ok(Self {
            head,
            _owns: PhantomData,
        })
    }

    fn head(&self) -> &Head<H> {
        // SAFETY: By the type invariant the head is valid and ours.
        unsafe { self.head.as_ref() }
    }

    /// The header, to be changed.
    pub(crate) fn header_mut(&mut self) -> &mut H {
        // SAFETY: By the type invariant the head is valid and ours.
        unsafe { &mut self.head.as_mut().header }
    }

    /// The payload.
    pub(crate) fn payload(&self) -> &[u8] {
        // SAFETY: By the type invariant `len` initialized bytes follow the head.
        unsafe { slice::from_raw_parts(Head::payload(self.head), self.head().len) }
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
        drop(Allocation(self.head));
    }
}

/// The allocation of a parcel, whatever its payload's state.
///
/// # Invariants
///
/// The head is initialized, was allocated by `kvrealloc`, and is owned.
struct Allocation<H>(NonNull<Head<H>>);

impl<H> Drop for Allocation<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the head is initialized; it is not used after this.
        unsafe { self.0.drop_in_place() };
        // SAFETY: By the type invariant it was allocated by `kvrealloc`, and is not used after this.
        unsafe { bindings::kvfree(self.0.as_ptr().cast()) };
    }
}

/// Parcels in a row, first in, first out.
///
/// Everything but [dropping](Drop) and [`insert_behind`](Self::insert_behind) is constant cost.
/// Dropping it frees all parcels in it: process context.
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

    /// The first parcel's payload.
    pub(crate) fn first_payload(&self) -> Option<&[u8]> {
        let first = self.first?;
        // SAFETY: By the type invariant, this is a valid parcel of ours, and stays so for as long
        // as the chain is borrowed. By `Parcel`'s invariant `len` initialized bytes follow it.
        Some(unsafe { slice::from_raw_parts(Head::payload(first), first.as_ref().len) })
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

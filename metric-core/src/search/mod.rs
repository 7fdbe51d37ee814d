//! Which columns can matter to a row: searched by cheap bounds, decided by the distance itself.
//!
//! Every search here is exact: [`Screen`] gives each pair an interval that holds its distance, at a fraction of the cost of the
//! distance; [`Candidates`] keep the pairs whose interval reaches below what is already certain; and the few that are
//! left at the end are compared by their definition. Results are therefore those of the plain loop over all pairs,
//! ties included, whatever the screen is made of.

mod candidates;
mod prepared;
mod rivals;
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "codes are made where there are products of them")
)]
mod screen;
#[cfg(test)]
mod tests;

pub(crate) use candidates::{Candidates, by_rank};
pub(crate) use prepared::{Found, Goal, Prepared};
pub(crate) use rivals::Seek;
pub(crate) use screen::{Screen, Strips};

//! The low-dimensional study: five functions of two variables, six optimisers, the paper's whole grid.

pub mod extended;
pub mod grid;
pub mod outcome;
pub mod output;
pub mod page;
pub mod pictures;
pub mod reference;
pub mod run;
pub mod starts;
pub mod stepping;
pub mod study;
pub mod table;

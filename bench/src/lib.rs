//! The workbench of deep metric learning.

pub mod data;

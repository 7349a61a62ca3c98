//! What the shop platforms have in common: they write money, names and addresses alike. What one
//! vendor alone does stays in that vendor's module.

pub(super) mod address;
pub(super) mod money;

//! Networks that look at pictures.

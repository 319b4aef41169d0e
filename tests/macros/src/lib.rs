//! The compile tests of the attribute macros; the cases lie in `ui/`.

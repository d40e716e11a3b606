//! The SDK.
#![no_std]

//! The same nine flares, built with the published crate `flaron-sdk` 1.1.0 from the registry, give the same
//! responses on the edge.

use flaron_tests::cargo::published;

flaron_tests::nine!(published);

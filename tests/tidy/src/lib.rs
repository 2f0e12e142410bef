//! Rules about the source tree, held by tests: who may know whom, what may be named where, how
//! long a file may be, under which licences we build, which tests hold what we promise.

#[cfg(test)]
mod behaviours;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod licence;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tree;

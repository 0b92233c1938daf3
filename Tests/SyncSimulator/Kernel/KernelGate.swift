import SyncCore

/// What an agent asks the kernel for, as far as virtual time may pass around it.
package enum KernelCall: String, Hashable, Sendable, CaseIterable {
    case look, open, observe, rewind, slice, root, problem, device, scan, watch, list, readEvents
}

/// Where virtual time passes, and calls are made to fail.
package protocol KernelGate: Sendable {
    /// Returns when the call takes place.
    ///
    /// - Throws: if the call fails, or the process was killed meanwhile.
    func pass(_ call: KernelCall, _ path: RelativePath?) async throws(Failure)
    /// Returns when the agent gets the answer of a call that took place; the files may have changed since.
    func answer(_ call: KernelCall, _ path: RelativePath?) async throws(Failure)
}

extension KernelGate {
    package func answer(_ call: KernelCall, _ path: RelativePath?) async throws(Failure) {}
}

/// A gate that is always open.
package struct OpenGate: KernelGate {
    package init() {}
    package func pass(_ call: KernelCall, _ path: RelativePath?) async throws(Failure) {}
}

import SyncCore

/// Which mappings begin no new transfers, and why.
public struct Pauses: Hashable, Sendable {
    /// `pause` without a mapping: all of them, also those that come later.
    public var isEverything = false
    public var byHand: Set<MappingID> = []
    /// `paused: true` in the mapping file.
    public var byFile: Set<MappingID> = []
    /// How many file versions wait for it.
    public var waiting: [MappingID: Int] = [:]

    public enum Reason: Hashable, Sendable { case everything, byHand, byFile }

    public init() {}

    /// `nil`: it is not paused. Where there are several reasons, the one that has to be undone first.
    public func reason(of mapping: MappingID) -> Reason? {
        if isEverything { return .everything }
        if byHand.contains(mapping) { return .byHand }
        return byFile.contains(mapping) ? .byFile : nil
    }
}

/// What `pause` or `resume` has changed.
public struct PauseChange: Hashable, Sendable {
    public let before: Pauses
    public let after: Pauses
}

/// A file on its way to being settled.
public struct SettlingFile: Hashable, Sendable {
    public let mapping: MappingID
    public let path: RelativePath
    public let observation: FileObservation
    /// Since when this observation has not changed, as far as we looked.
    public let quietSince: MonotonicInstant
    /// When the file was last noticed: the beginning of the look that saw it. A look that began earlier may have missed
    /// what was noticed then, so it changes nothing (`SettlingFile.change`).
    public let noticed: MonotonicInstant
    /// Whether it was there when the mapping was first loaded, so that `existing` decides about it.
    public let isExisting: Bool
    /// Whether somebody who could write to it was heard of: that `stat` says what it said before proves nothing then,
    /// and a content that is known is read again and compared.
    public let isWritten: Bool
    /// Whether it was written to since it was met first: its size or mtime is another. What was there before a mapping is
    /// something else then.
    public let isRewritten: Bool

    /// - Parameter noticed: `quietSince` where nothing else is given.
    public init(
        mapping: MappingID, path: RelativePath, observation: FileObservation, quietSince: MonotonicInstant,
        noticed: MonotonicInstant? = nil, isExisting: Bool, isWritten: Bool = false, isRewritten: Bool = false
    ) {
        self.mapping = mapping
        self.path = path
        self.observation = observation
        self.quietSince = quietSince
        self.noticed = noticed ?? quietSince
        self.isExisting = isExisting
        self.isWritten = isWritten
        self.isRewritten = isRewritten
    }

    /// The file with another observation, whose quiet time begins now.
    func restarted(with observation: FileObservation, at now: MonotonicInstant) -> SettlingFile {
        SettlingFile(
            mapping: mapping, path: path, observation: observation, quietSince: now, isExisting: isExisting,
            isWritten: isWritten, isRewritten: isRewritten(as: observation))
    }

    /// Whether it was written to by the time that it looks like this.
    public func isRewritten(as seen: FileObservation) -> Bool {
        isRewritten || seen.size != observation.size || seen.modified != observation.modified
    }

    /// The file as one that came after its mapping.
    public var asNew: SettlingFile {
        SettlingFile(
            mapping: mapping, path: path, observation: observation, quietSince: quietSince, noticed: noticed,
            isExisting: false, isWritten: isWritten, isRewritten: isRewritten)
    }

    /// The file as a look that began at `began` saw it.
    public func noticed(at began: MonotonicInstant) -> SettlingFile {
        SettlingFile(
            mapping: mapping, path: path, observation: observation, quietSince: quietSince, noticed: began,
            isExisting: isExisting, isWritten: isWritten, isRewritten: isRewritten)
    }

    /// Whether a look that began at `began` saw everything that is noted here: what was heard of was heard before
    /// `noticed`, and the look's `stat` came after `began`.
    ///
    /// A look of another run began later: what an earlier run noted is older than anything that this one sees.
    public func isOlder(thanLookBegunAt began: MonotonicInstant) -> Bool {
        guard noticed.run == began.run else { return true }
        return noticed.nanoseconds <= began.nanoseconds
    }
}

/// What a scan or an event says of one path.
public struct PathLook: Hashable, Sendable {
    public let observation: FileObservation
    /// An instant before the `stat` of this look.
    public let began: MonotonicInstant
    /// Whether something was heard of the path, so that it is looked at again without waiting.
    public let isUrgent: Bool
    /// Whether somebody who could write to the file was heard of.
    public let isWritten: Bool

    public init(observation: FileObservation, began: MonotonicInstant, isUrgent: Bool, isWritten: Bool = false) {
        self.observation = observation
        self.began = began
        self.isUrgent = isUrgent
        self.isWritten = isWritten
    }
}

/// What a look changes about the file that settles at its path.
public enum SettlingChange: Hashable, Sendable {
    case none
    /// The file is looked at again at once. It counts as noticed by this look too.
    case hasten
    /// The path holds what is known already: nothing settles.
    case erase
    /// The file begins to settle with the observation of the look.
    case begin
}

extension SettlingFile {
    /// Decides what a look changes about what settles at its path.
    ///
    /// What was noticed after a look began outlives that look: the look's `stat` may be the older one. So an older look
    /// never erases or replaces anything. Nor does an equal observation prove anything once somebody has written.
    ///
    /// - Parameters:
    ///   - settling: what settles at the path now, if anything does.
    ///   - accepted: the observation of the version that the queue holds for the path.
    public static func change(
        of settling: SettlingFile?, by look: PathLook, accepted: FileObservation?
    ) -> SettlingChange {
        let isKnown = accepted == look.observation && !look.isWritten
        guard let settling else { return isKnown ? .none : .begin }
        guard settling.isOlder(thanLookBegunAt: look.began) else { return look.isUrgent ? .hasten : .none }
        if isKnown, !settling.isWritten { return .erase }
        guard settling.observation == look.observation, settling.quietSince.run == look.began.run else { return .begin }
        return look.isUrgent ? .hasten : .none
    }
}

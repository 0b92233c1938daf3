extension Versions {
    /// The version that the subject joins. What is delivered, or may be on the table, is the stronger claim; then what is
    /// on this table; then the older row.
    static func joined(_ facts: ContentFacts) -> SameVersion? {
        func rank(_ version: SameVersion) -> (Int, Int, Int64) {
            let delivery = version.delivery
            return (claim(delivery.state), delivery.tableKey == facts.table ? 0 : 1, delivery.id.value)
        }
        return facts.same.filter { mayJoin($0.delivery, facts) }.min { rank($0) < rank($1) }
    }

    private static func mayJoin(_ other: Delivery, _ facts: ContentFacts) -> Bool {
        switch other.state {
        case .abandoned:
            // Else two rows that have their content might take each other up for ever.
            return facts.subject.content == nil
        case .working(.pending), .waiting(.pending, _):
            // What was sent is not sent again for a name that only waits: that one joins it.
            return !facts.subject.hasSentBytes || other.uploadName == facts.uploadName
        case .working, .waiting, .delivered, .held, .parked:
            return true
        }
    }

    private static func claim(_ state: DeliveryState) -> Int {
        switch state {
        case .delivered: 0
        case .working(let stage), .waiting(let stage, _): stage.mayBeRegistered ? 1 : 2
        case .parked(let reason): reason.mayBeRegistered ? 1 : 3
        case .held: 3
        case .abandoned: 4
        }
    }

    /// The subject's path becomes a path of the version that has its content; the subject ends.
    static func joining(_ version: SameVersion, _ facts: ContentFacts) -> Reconciliation {
        let other = version.delivery.id
        var moves: [VersionMove] = [.assignPath(to: other)]
        if facts.subject.content == nil {
            moves.append(.absorb(into: other, note: "\(facts.subject.path) holds this content too"))
        } else {
            // A row that has its content keeps its name in the history.
            moves.append(
                .set(
                    facts.subject.id, .abandoned(.superseded), resetsTally: false,
                    note: "delivery \(other) is the same content"))
        }
        // The path has this content now; others of it that were not posted can no longer be read.
        for open in facts.open where open.delivery.id != other {
            if let move = superseded(open.delivery, "the file holds an earlier content again") { moves.append(move) }
        }
        return Reconciliation(.joined(other), moves + takingUp(version, facts))
    }

    /// The table has it under the subject's name, and other versions with its content were not posted: they are names of
    /// what is there.
    static func namedLike(_ upload: RemoteUpload, _ facts: ContentFacts) -> Reconciliation {
        // Of one name and content there is one row, which meets the upload by itself.
        let named = facts.same.filter { $0.delivery.uploadName == facts.uploadName && mayJoin($0.delivery, facts) }
        if let row = named.min(by: { $0.delivery.id.value < $1.delivery.id.value }) { return joining(row, facts) }
        let unposted = facts.same.map(\.delivery).filter(\.state.isUnposted)
        let ended: [VersionMove] = unposted.flatMap { other -> [VersionMove] in
            let note = "delivery \(facts.subject.id) is the same content, and on the table"
            return [
                .takePath(of: other.id), .set(other.id, .abandoned(.superseded), resetsTally: false, note: note),
            ]
        }
        let older = endings(facts, but: Set(unposted.map(\.id)))
        return Reconciliation(.adopts(upload), ended + older + [.adopt(upload), .writeContent])
    }

    /// What the version makes of its new path. A move is a move in whatever state: no outcome depends on how far the
    /// version has come.
    private static func takingUp(_ version: SameVersion, _ facts: ContentFacts) -> [VersionMove] {
        let id = version.delivery.id
        let place = facts.subject.path
        switch version.delivery.state {
        case .delivered:
            return hasMoved(version, facts) ? [.move(id, takesObservation: false)] : []
        case .working(let stage), .waiting(let stage, _):
            if stage.mayBeRegistered { return hasMoved(version, facts) ? [.move(id, takesObservation: false)] : [] }
            // A delay may be of an earlier run, whose instants mean nothing now.
            return [
                .move(id, takesObservation: true),
                .set(id, .working(stage), resetsTally: false, note: "goes on at \(place)"),
            ]
        case .held, .parked:
            return [
                .move(id, takesObservation: true),
                .set(id, version.delivery.state, resetsTally: false, note: "found at \(place)"),
            ]
        case .abandoned(.gone), .abandoned(.superseded):
            // Judged as if newly found.
            return [
                .move(id, takesObservation: true),
                .set(id, .working(.pending(.examine)), resetsTally: true, note: "its content is back at \(place)"),
            ]
        case .abandoned(.ignored), .abandoned(.forgotten):
            return []
        }
    }

    /// Whether the version's own path no longer names the inode: then this is a move, else a hard link.
    private static func hasMoved(_ version: SameVersion, _ facts: ContentFacts) -> Bool {
        let subject = facts.subject
        guard version.delivery.mapping != subject.mapping || version.delivery.path != subject.path,
            version.delivery.observation.isSameFile(as: subject.observation)
        else { return false }
        let isTaken = version.seenAtItsPath.map { !$0.isSameFile(as: subject.observation) } ?? true
        return isTaken || facts.links == 1
    }
}

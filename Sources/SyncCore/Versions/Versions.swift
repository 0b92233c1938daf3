/// What a content is in relation to everything else that the queue and the table know: a new version, one that is
/// known, a change of one, or something that a person decides about. The same question whichever way the content became
/// known, and no post is begun without it.
///
/// A row waits for another only where that one is registered, or its content is not known yet. Such rows wait for no
/// row themselves, so that no circle can come about. For a file that settles elsewhere, which has no row yet, it waits by
/// time.
public enum Versions {
    public static func reconcile(_ facts: ContentFacts) -> Reconciliation {
        // Its name follows from the content that it has: `decide` ends it, and the file settles anew.
        if let known = facts.subject.content, known != facts.content { return Reconciliation(.alone) }
        if let same = joined(facts) {
            guard let upload = facts.upload, same.delivery.state.isUnposted else { return joining(same, facts) }
            return namedLike(upload, facts)
        }
        if let other = awaited(facts) { return Reconciliation(.behind(other), [.writeContent]) }
        let standing = standing(of: facts)
        var moves = endings(facts)
        if case .adopts(let upload) = standing { moves.append(.adopt(upload)) }
        return Reconciliation(standing, moves + [.writeContent])
    }

    private static func standing(of facts: ContentFacts) -> Standing {
        // Path and content together are already on the table, whoever sent them.
        if let upload = facts.upload { return .adopts(upload) }
        guard facts.subject.tally.isDecidedByHand != true else { return .alone }
        if let delivered = facts.delivered { return .successor(delivered.delivery.id) }
        return facts.existing.map(judged) ?? .alone
    }

    /// `existing: auto`: a file that was there before, by the uploads that were there before.
    private static func judged(_ existing: ExistingFacts) -> Standing {
        if let upload = existing.adoptable { return .adopts(upload) }
        if let name = existing.equalTagged { return .strange(.equalsUpload(name)) }
        return existing.hasUntagged ? .strange(.tableHasOtherUploads) : .alone
    }

    // MARK: Waiting

    private static func awaited(_ facts: ContentFacts) -> DeliveryID? {
        if let name = facts.unreadName { return name }
        for older in facts.open + [facts.delivered].compactMap({ $0 }) where isOfSameTable(older.delivery, facts) {
            if older.delivery.state.stage?.mayBeRegistered == true { return older.delivery.id }
            guard !older.delivery.observation.isSameFile(as: facts.subject.observation) else { continue }
            // Perhaps it moved, and is no older content of this path at all (log rotation).
            if let mover = older.mayBe { return mover }
            if older.settlesElsewhere { return older.delivery.id }
        }
        return nil
    }

    static func isOfSameTable(_ delivery: Delivery, _ facts: ContentFacts) -> Bool {
        delivery.tableKey.map { $0 == facts.table } ?? (delivery.table == facts.subject.table)
    }

    // MARK: Ending

    /// Of the path's other versions: the subject's content is the newer one.
    static func endings(_ facts: ContentFacts, but others: Set<DeliveryID> = []) -> [VersionMove] {
        facts.open.filter { !mayBeNewer($0, facts) && !others.contains($0.delivery.id) }.compactMap {
            superseded($0.delivery, "the file has a newer content")
        }
    }

    /// A row that came later and is not read yet: it finds out by itself how its content stands.
    private static func mayBeNewer(_ open: OlderVersion, _ facts: ContentFacts) -> Bool {
        open.delivery.content == nil && open.delivery.id.value > facts.subject.id.value
    }

    /// What was not posted and cannot be read any more ends.
    static func superseded(_ delivery: Delivery, _ note: String) -> VersionMove? {
        guard delivery.state.isUnposted else { return nil }
        return .set(delivery.id, .abandoned(.superseded), resetsTally: false, note: note)
    }
}

import SyncCore
import SyncTestSupport
import Testing

/// What a content is in relation to everything else: the laws, over facts as nobody would write them on purpose.
@Suite struct VersionsTests {
    /// Runs `law` over many facts, and names the seed where it does not hold.
    private func always(_ law: (ContentFacts, Reconciliation) -> Bool) {
        let random = SeededRandom()
        print("facts of a content: seed \(random.seed)")
        var arbitrary = ArbitraryFacts(values: Arbitrary(random: random))
        for _ in 0..<20_000 {
            let facts = arbitrary.facts()
            let found = Versions.reconcile(facts)
            guard law(facts, found) else {
                Issue.record("seed \(random.seed): \(facts) gave \(found)")
                return
            }
        }
    }

    /// Such rows wait for no row themselves, so that there is no circle.
    @Test func aRowWaitsOnlyForWhatIsRegisteredOrUnread() {
        always { facts, found in
            guard case .behind(let other) = found.standing else { return true }
            let older = facts.open + [facts.delivered].compactMap { $0 }
            return other == facts.unreadName || older.contains { $0.mayBe == other }
                || older.contains {
                    $0.delivery.id == other
                        && ($0.delivery.state.stage?.mayBeRegistered == true || $0.settlesElsewhere)
                }
        }
    }

    @Test func nothingThatMayBeRegisteredIsTouchedButByAMove() {
        always { facts, found in
            let all = facts.same.map(\.delivery) + facts.open.map(\.delivery)
            let registered = Dictionary(
                all.filter(\.state.mayBeRegistered).map { ($0.id, $0.state) }, uniquingKeysWith: { first, _ in first })
            return found.moves.allSatisfy { move in
                guard case .set(let id, let state, _, _) = move, let before = registered[id] else { return true }
                return state == before
            }
        }
    }

    @Test func aContentThatWasReadIsKept() {
        always { facts, found in
            if let known = facts.subject.content, known != facts.content { return found.moves.isEmpty }
            if case .joined = found.standing { return !found.moves.contains(.writeContent) }
            return found.moves.last == .writeContent
        }
    }

    /// Else two of them might take each other up for ever.
    @Test func aRowWithAContentJoinsNoneThatHasEnded() {
        always { facts, found in
            guard case .joined(let other) = found.standing, facts.subject.content != nil else { return true }
            return facts.same.contains { version in
                if case .abandoned = version.delivery.state { false } else { version.delivery.id == other }
            }
        }
    }

    @Test func theOrderOfTheFactsDoesNotMatter() {
        always { facts, found in
            var turned = facts
            turned.same.reverse()
            let again = Versions.reconcile(turned)
            return again.standing == found.standing
        }
    }

    /// No outcome depends on how far a version has come that is, or may be, on the table.
    @Test(arguments: [1, 2]) func aMoveIsAMoveInWhateverState(links: Int64) {
        let states =
            [DeliveryState.delivered(Sample.receipt)] + Sample.stages.filter(\.mayBeRegistered).map { .working($0) }
        let moves = states.map { state in
            var facts = Self.facts(at: "2025/july.csv")
            facts.links = links
            facts.same = [SameVersion(Sample.delivery(state), seenAtItsPath: Sample.observation())]
            return Versions.reconcile(facts).moves
        }
        #expect(Set(moves).count == 1)
        #expect(moves[0].contains(.move(DeliveryID(1), takesObservation: false)) == (links == 1))
    }

    /// N-46: after a lost state a new name of a file was read first, joined by the name that was on the table, and posted.
    @Test func whatTheTableHasUnderItsOwnNameJoinsNothingUnposted() {
        var facts = Self.facts(at: "2025/july.csv")
        let upload = RemoteUpload(uri: "uploads/7", name: facts.uploadName, status: .completed, size: 1, md5: nil)
        facts.upload = upload
        for stage in Sample.stages {
            var other = Sample.delivery(.working(stage))
            facts.same = [SameVersion(other, seenAtItsPath: nil)]
            let found = Versions.reconcile(facts)
            // Of one name and content there is one row.
            other.uploadName = facts.uploadName
            facts.same = [SameVersion(other, seenAtItsPath: nil)]
            #expect(Versions.reconcile(facts).standing == .joined(DeliveryID(1)))
            guard !stage.mayBeRegistered else {
                #expect(found.standing == .joined(DeliveryID(1)))
                continue
            }
            #expect(found.standing == .adopts(upload))
            #expect(found.moves.contains(.takePath(of: DeliveryID(1))))
            #expect(
                found.moves.contains { move in
                    guard case .set(DeliveryID(1), .abandoned(.superseded), _, _) = move else { return false }
                    return true
                })
        }
    }

    @Test func whatAPersonHasDecidedIsNotAskedAgain() {
        var facts = Self.facts(at: "2025/june.csv")
        facts.delivered = OlderVersion(Sample.delivery(.delivered(Sample.receipt)))
        #expect(Versions.reconcile(facts).standing == .successor(DeliveryID(1)))
        var tally = Delivery.Tally()
        tally.isDecidedByHand = true
        facts = Self.facts(at: "2025/june.csv", tally: tally)
        facts.delivered = OlderVersion(Sample.delivery(.delivered(Sample.receipt)))
        facts.existing = ExistingFacts(adoptable: nil, equalTagged: nil, hasUntagged: true)
        #expect(Versions.reconcile(facts).standing == .alone)
        // What may be registered is waited for all the same.
        facts.open = [OlderVersion(Sample.delivery(.importing(Sample.registration())))]
        #expect(Versions.reconcile(facts).standing == .behind(DeliveryID(1)))
    }

    /// What came later and is not read yet finds out by itself how it stands.
    @Test(arguments: [(1, false, true), (1, true, true), (3, false, false), (3, true, true)])
    func aContentEndsWhatIsNotNewerThanItself(id: Int64, isRead: Bool, ends: Bool) {
        var facts = Self.facts(at: "2025/june.csv")
        let row = Sample.delivery(.working(.pending(.examine)), isKnown: isRead)
        let open = Delivery(
            id: DeliveryID(id), mapping: row.mapping, table: row.table, tableKey: row.tableKey, path: row.path,
            observation: row.observation, content: row.content, nameBase: row.nameBase, uploadName: row.uploadName,
            state: row.state, tally: row.tally)
        facts.open = [OlderVersion(open)]
        let isEnded = Versions.reconcile(facts).moves.contains { move in
            if case .set(DeliveryID(id), .abandoned(.superseded), _, _) = move { true } else { false }
        }
        #expect(isEnded == ends)
        // The same where the table has it under the subject's name, and another name of it waits.
        let upload = RemoteUpload(uri: "uploads/7", name: facts.uploadName, status: .completed, size: 1, md5: nil)
        facts.upload = upload
        var other = Sample.delivery(.working(.pending(.examined)))
        other.uploadName = "another"
        facts.same = [SameVersion(other, seenAtItsPath: nil)]
        if id != 1 {
            let found = Versions.reconcile(facts)
            #expect(found.standing == .adopts(upload))
            #expect(found.moves.contains { if case .set(DeliveryID(id), _, _, _) = $0 { true } else { false } } == ends)
        }
    }

    @Test func aPersonsAddIsRememberedUntilItIsSent() {
        let held = Sample.delivery(.held(.changed))
        let added = held.decide(on: .byHand(.resolved(.add)), in: Sample.context())
        #expect(added.delivery.tally.isDecidedByHand == true)
        var parked = added.delivery
        parked.state = .parked(.rejected("no"))
        let again = parked.decide(on: .byHand(.retryRequested), in: Sample.context())
        #expect(again.delivery.tally.isDecidedByHand == true)
    }

    // MARK: An edited table

    @Test(arguments: Sample.states) func anEditNeverWeakensWhatARowHasToPass(state: DeliveryState) {
        for isExisting in [true, false] {
            let row = Sample.delivery(state)
            #expect(Versions.rerouted(row, to: Sample.key, isExisting: isExisting) == nil, "it is the same table")
            let other = Versions.rerouted(row, to: TableKey("demo.other"), isExisting: isExisting)
            if case .pending? = state.stage {
                #expect(other == .working(.pending(isExisting ? .existing : .examine)))
            } else {
                #expect(other == nil)
            }
        }
        // Of what nothing is known yet, nothing has to be judged again.
        var unread = Sample.delivery(state, isKnown: false)
        unread.tableKey = nil
        #expect(Versions.rerouted(unread, to: TableKey("demo.other"), isExisting: false) == nil)
    }

    /// N-48: a row waited for ever for one that had ended already.
    @Test(arguments: Sample.states) func aRowThatGoesElsewhereWaitsOnlyForWhatLives(newer: DeliveryState) {
        let beside = Versions.beside(unread: newer)
        #expect((beside == .waits) == (newer.stage != nil))
        if case .abandoned = newer { #expect(beside == .takesItsPlace) }
        if case .parked = newer { #expect(beside == .ends(.abandoned(.superseded))) }
    }

    private static func facts(at path: String, tally: Delivery.Tally = .init()) -> ContentFacts {
        let subject = Delivery(
            id: DeliveryID(2), mapping: Sample.mapping, table: Sample.table, tableKey: nil,
            path: RelativePath(path) ?? Sample.path, observation: Sample.observation(), content: nil,
            nameBase: Array(path.utf8), uploadName: nil, state: .working(.pending(.examine)), tally: tally)
        return ContentFacts(
            subject: subject, content: Sample.content(), table: Sample.key,
            uploadName: UploadName.make(base: Array(path.utf8), sha256: Sample.content().sha256))
    }
}

extension DeliveryState {
    fileprivate var mayBeRegistered: Bool {
        switch self {
        case .working(let stage), .waiting(let stage, _): stage.mayBeRegistered
        case .parked(let reason): reason.mayBeRegistered
        case .delivered: true
        case .held, .abandoned: false
        }
    }
}

private struct ArbitraryFacts {
    var values: Arbitrary

    mutating func facts() -> ContentFacts {
        var facts = ContentFacts(
            subject: distinct(100), content: values.content(), table: Sample.key, uploadName: values.text())
        facts.links = values.pick([1, 2, values.number()])
        facts.same = versions().map { SameVersion($0, seenAtItsPath: values.pick([nil, Sample.observation()])) }
        facts.open = versions(from: 10).map { older($0) }
        facts.delivered = values.flag() ? older(distinct(50)) : nil
        facts.unreadName = values.pick([nil, nil, DeliveryID(values.number())])
        facts.upload = values.pick([nil, nil, values.upload()])
        facts.existing = values.flag() ? existing() : nil
        return facts
    }

    private mutating func existing() -> ExistingFacts {
        ExistingFacts(
            adoptable: values.pick([nil, values.upload()]), equalTagged: values.pick([nil, values.text()]),
            hasUntagged: values.flag())
    }

    private mutating func older(_ delivery: Delivery) -> OlderVersion {
        OlderVersion(
            delivery, mayBe: values.pick([nil, DeliveryID(values.number())]), settlesElsewhere: values.flag())
    }

    private mutating func versions(from first: Int64 = 0) -> [Delivery] {
        let count = values.pick([0, 0, 1, 3])
        return (0..<count).map { distinct(first + Int64($0)) }
    }

    private mutating func distinct(_ id: Int64) -> Delivery {
        let row = values.delivery()
        return Delivery(
            id: DeliveryID(id), mapping: row.mapping, table: row.table, tableKey: row.tableKey, path: row.path,
            observation: values.pick([row.observation, Sample.observation()]), content: row.content,
            nameBase: row.nameBase, uploadName: row.uploadName, state: row.state, tally: row.tally)
    }
}

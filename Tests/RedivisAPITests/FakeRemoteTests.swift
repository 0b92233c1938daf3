import SyncCore
import SyncTestSupport
import Testing

/// The contract covers what the fake does when nothing goes wrong; this, what a script makes go wrong.
@Suite("The fake remote's scripts")
struct FakeRemoteTests {
    static let table = ContractTests.table
    static let lost = Failure(.ambiguous, "the answer was lost")

    static func subject(_ fake: FakeRemote) -> RemoteContract.Subject {
        .init(remote: fake, table: table, missingTable: ContractTests.missing) { fake.release(table) }
    }

    @Test("an answer is lost after the post was carried out, or the post never was, or it is carried out late")
    func posts() async throws {
        let fake = FakeRemote()
        let subject = Self.subject(fake)
        fake.script(.register, .losesAnswer(Self.lost), .fails(Self.lost), .carriedOutLate(Self.lost))
        for (name, count) in [("done", 1), ("never", 1), ("late", 1)] {
            let session = try await subject.transfer([1, 2, 3])
            let failure = try await RemoteContract.failure { _ = try await subject.register(session, as: name) }
            #expect(failure == Self.lost)
            #expect(fake.registrations(on: Self.table).count == count)
        }
        #expect(fake.carryOutLate() == 1)
        #expect(fake.registrations(on: Self.table).map(\.name) == ["done", "late"])
        #expect(fake.duplicates(on: Self.table) == [["done", "late"]])
        #expect(fake.calls(of: .register).count == 3)
    }

    @Test("a chunk is kept in part, with an answer or without")
    func chunks() async throws {
        let fake = FakeRemote()
        let subject = Self.subject(fake)
        let broken = Failure(.transient, "broken")
        fake.script(.send, .keeps(2), .keepsAndLosesAnswer(1, broken), .answers(.stored(99)))
        let session = try await subject.open(5)
        let bytes: [UInt8] = [1, 2, 3, 4, 5]
        #expect(try await subject.send(bytes, to: session) == .stored(2))
        #expect(try await RemoteContract.failure { _ = try await subject.send(bytes, 2..<5, to: session) } == broken)
        #expect(try await subject.status(session, 5) == .stored(3))
        #expect(try await subject.send(bytes, 3..<5, to: session) == .stored(99))
        #expect(fake.storedBytes(of: session) == [1, 2, 3])
        #expect(fake.calls(of: .send).map(\.range) == [0..<5, 2..<5, 3..<5])
        fake.killSessions()
        #expect(try await RemoteContract.failure { _ = try await subject.status(session, 5) }.kind == .sessionLost)
    }

    @Test("imports take as many listings as planned, and end as planned")
    func imports() async throws {
        let fake = FakeRemote()
        let subject = Self.subject(fake)
        var plan = ImportPlan()
        plan.listingsInProgress = 2
        plan.outcome = .fails("no variables")
        fake.plan(plan, forUploadNamed: "bad")
        _ = try await subject.register(try await subject.transfer([1]), as: "bad")
        var statuses: [RemoteUpload.Status] = []
        for _ in 0..<3 { statuses += try await subject.uploads().map(\.status) }
        #expect(statuses == [.inProgress, .inProgress, .failed("no variables")])
    }

    @Test("a name that is taken comes back under another, is refused, or is taken twice")
    func names() async throws {
        for (reading, outcome) in [
            (FakeRemote.Switches.TakenName.renames, ["a.csv", "A_csv (1)"]), (.accepts, ["a.csv", "A_csv"]),
            (.conflicts, ["a.csv"]),
        ] {
            let fake = FakeRemote()
            fake.change { $0.takenName = reading }
            let subject = Self.subject(fake)
            _ = try await subject.register(try await subject.transfer([1]), as: "a.csv")
            let session = try await subject.transfer([2])
            if reading == .conflicts {
                let failure = try await RemoteContract.failure { _ = try await subject.register(session, as: "A_csv") }
                #expect(failure.kind == .conflict)
            } else {
                _ = try await subject.register(session, as: "A_csv")
            }
            #expect(fake.registrations(on: Self.table).map(\.name) == outcome)
        }
    }

    @Test("a hanging call ends with its task, and offline nothing answers")
    func hanging() async throws {
        let fake = FakeRemote()
        fake.script(.table, .hangs(Failure(.transient, "interrupted")))
        let call = Task { try await fake.table(Self.table) }
        while fake.calls.isEmpty { await Task.yield() }
        call.cancel()
        await #expect(throws: Failure.self) { try await call.value }
        fake.change { $0.isOffline = true }
        await #expect(throws: Failure.self) { try await fake.table(Self.table) }
    }
}

import SyncCore
import Synchronization
import Testing

@testable import SyncEngine

@Suite(.timeLimit(.minutes(1))) struct ScanDeskTests {
    private let desk = ScanDesk()
    private let told = Told()

    /// What came through to the observer behind the desk.
    private final class Told: Sendable {
        let count = Mutex(0)
    }

    private func mapping(_ text: String = "weather") throws -> MappingID { try #require(MappingID(text)) }

    private func report(_ reports: EngineReport...) {
        let tell = desk.listening { [told] _ in told.count.withLock { $0 += 1 } }
        for report in reports { tell(report) }
    }

    /// A scan that is asked for and noted as such; its answer comes when the reports say so.
    private func ask(_ mapping: MappingID) async -> Task<Bool, Never> {
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let desk = desk
        let task = Task { await desk.scan(mapping) { ask.yield() } }
        for await _ in asked { break }
        return task
    }

    @Test func aScanThatBeganEarlierIsNotTheOneThatWasAskedFor() async throws {
        let id = try mapping()
        report(.folderState(id, .scanning))
        let answer = await ask(id)
        let isOver = Mutex(false)
        report(.scanned(id, ScanReport()))
        let watcher = Task {
            _ = await answer.value
            isOver.withLock { $0 = true }
        }
        for _ in 0..<100 { await Task.yield() }
        #expect(!isOver.withLock { $0 })
        report(.folderState(id, .watching), .folderState(id, .scanning), .scanned(id, ScanReport()))
        #expect(await answer.value)
        await watcher.value
        #expect(told.count.withLock { $0 } == 5)
    }

    @Test func aFolderThatCannotBeScannedIsAnAnswer() async throws {
        let id = try mapping()
        let failure = Failure(.unreadable, scope: .destination, "cannot list the folder")
        let first = await ask(id)
        report(.folderState(id, .scanning), .folderProblem(id, failure))
        #expect(await first.value == false)
        let second = await ask(id)
        report(.folderState(id, .unmounted(failure)))
        #expect(await second.value == false)
        // It is known to be away: nobody waits for it.
        #expect(await desk.scan(id) {} == false)
        // Until it is there again.
        report(.folderState(id, .scanning))
        let third = await ask(id)
        report(.scanned(id, ScanReport()), .folderState(id, .scanning), .scanned(id, ScanReport()))
        #expect(await third.value)
    }

    @Test func othersDoNotAnswerForIt() async throws {
        let (id, other) = (try mapping(), try mapping("other"))
        let answer = await ask(id)
        report(.folderState(other, .scanning), .scanned(other, ScanReport()))
        desk.keep(only: [id])
        report(.folderState(id, .scanning), .scanned(id, ScanReport()))
        #expect(await answer.value)
    }

    @Test func aMappingThatIsRemovedLetsGoOfWhoWaits() async throws {
        let id = try mapping()
        let answer = await ask(id)
        desk.keep(only: [])
        #expect(await answer.value == false)
    }

    @Test func whoIsCancelledWaitsNoLonger() async throws {
        let id = try mapping()
        let answer = await ask(id)
        answer.cancel()
        #expect(await answer.value == false)
        let early = Task { [desk] in
            while !Task.isCancelled { await Task.yield() }
            return await desk.scan(id) {}
        }
        early.cancel()
        #expect(await early.value == false)
        // Nothing is answered twice.
        report(.folderState(id, .scanning), .scanned(id, ScanReport()))
    }
}

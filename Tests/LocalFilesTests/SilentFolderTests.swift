import Glibc
import SyncCore
import Synchronization
import SystemPackage
import Testing

@testable import LocalFiles

extension Failure {
    static let silent = FileTrouble.silence(of: "/mnt/server")
}

/// For calls that change what they are made on, which `#expect` does not take.
private func expect<Value: Equatable>(
    _ value: Value, _ expected: Value, at location: SourceLocation = #_sourceLocation
) {
    #expect(value == expected, sourceLocation: location)
}

@Suite("A folder that does not answer", .timeLimit(.minutes(1)))
struct SilentFolderTests {
    private static let start = SuspendingClock().now
    private static let patience: Duration = .seconds(30)

    /// Calls by the numbers that they are made in, with seconds for the time.
    private struct Calls {
        var state = OverdueCalls(patience: SilentFolderTests.patience)

        mutating func begin(at second: Int, tries: Bool = false) -> OverdueCalls.ID? {
            state.begin(at: start + .seconds(second), tries: tries, isOnThread: true) {}
        }

        mutating func late(at second: Int) -> Int { state.late(at: start + .seconds(second)).count }

        /// A folder that fell silent `at` this second, as is known 30 s later.
        mutating func fallSilent(at second: Int) -> [OverdueCalls.ID] {
            let stuck = (0..<OverdueCalls.most).compactMap { _ in begin(at: second) }
            expect(late(at: second + 30), stuck.count)
            return stuck
        }
    }

    @Test func aCallIsLateOnceAndAfterThePatience() {
        var calls = Calls()
        let call = calls.begin(at: 0)
        #expect(call != nil)
        expect(calls.late(at: 29), 0)
        expect(calls.late(at: 30), 1)
        expect(calls.late(at: 31), 0)
        #expect(calls.state.stuck == 1)
        // It comes back after all.
        if let call { calls.state.end(call) }
        #expect(calls.state.stuck == 0)
        #expect(calls.state.isEmpty)
    }

    @Test func whatComesBackInTimeIsNeverLate() {
        var calls = Calls()
        for second in 0..<100 {
            guard let call = calls.begin(at: second) else {
                Issue.record("refused")
                return
            }
            calls.state.end(call)
        }
        expect(calls.late(at: 1000), 0)
    }

    @Test func aFewThatAreStuckDoNotStopTheRest() {
        var calls = Calls()
        for _ in 1..<OverdueCalls.most { _ = calls.begin(at: 0) }
        expect(calls.late(at: 30), OverdueCalls.most - 1)
        expect(calls.begin(at: 31) != nil, true)
    }

    @Test func aSilentFolderIsCalledNoMoreUntilItAnswers() {
        var calls = Calls()
        let stuck = calls.fallSilent(at: 0)
        expect(calls.begin(at: 31) == nil, true)
        calls.state.end(stuck[0])
        expect(calls.begin(at: 31) != nil, true)
    }

    @Test func triesAreRareAndGetRarer() {
        var calls = Calls()
        _ = calls.fallSilent(at: 0)
        var tries: [Int] = []
        for second in stride(from: 30, to: 20_000, by: 2) {
            _ = calls.late(at: second)
            if calls.begin(at: second, tries: true) != nil { tries.append(second) }
        }
        #expect(tries.first == 30)
        let pauses = zip(tries, tries.dropFirst()).map { $1 - $0 }
        #expect(pauses == pauses.sorted())
        #expect(pauses.first == 60)
        #expect(pauses.last == 33 * 30)
    }

    @Test func triesEndBeforeTheThreadsDo() {
        var calls = Calls()
        _ = calls.fallSilent(at: 0)
        var tries = 0
        for second in stride(from: 30, to: 1_000_000, by: 100) {
            _ = calls.late(at: second)
            if calls.begin(at: second, tries: true) != nil { tries += 1 }
        }
        #expect(OverdueCalls.most + tries == OverdueCalls.mostStuck)
    }

    /// Mounted anew at the same place: whoever waits for what was there before waits for ever.
    @Test func aTryThatComesBackOpensTheFolderAgain() {
        var calls = Calls()
        let stuck = calls.fallSilent(at: 0)
        guard let tried = calls.begin(at: 31, tries: true) else {
            Issue.record("refused")
            return
        }
        expect(calls.begin(at: 31) == nil, true)
        calls.state.end(tried)
        expect(calls.begin(at: 32) != nil, true)
        #expect(calls.state.stuck == stuck.count)
        for call in stuck { calls.state.end(call) }
        #expect(calls.state.stuck == 0)
    }

    @Test func whoWaitsForAThreadTooLongIsToldAndNotRun() {
        var calls = Calls()
        let waiting = calls.state.begin(at: Self.start, tries: false, isOnThread: false) {}
        expect(calls.late(at: 30), 1)
        #expect(calls.state.stuck == 0)
        if let waiting { expect(calls.state.start(waiting), false) }
    }

    @Test func nobodyWaitsForAReadThatDoesNotComeBack() throws {
        var state = ReadingState(file: OpenFile(try check("open", Glibc.open("/dev/null", O_RDONLY))))
        _ = state.beginRead(to: 3 << 20)
        let next = state.nextOrder()
        let order = try #require(next)
        _ = state.strand(with: .silent)
        #expect(state.failure == .silent)
        // What it brings after all changes nothing: the file may have been given up, or begun anew.
        var late = order.from
        late.offset = order.range.upperBound
        _ = state.finished(order, with: .success(.init(point: late, slice: [1])))
        #expect(state.point.offset == 0)
        let errands = state.beginRewind(to: 1)
        #expect(!errands.startsReading)
        #expect(state.failure == .silent)
        let another = state.nextOrder()
        #expect(another == nil)
    }

    // MARK: With threads

    /// Calls that come back when the test says so.
    private final class Server: Sendable {
        private let pipe: (read: Int32, write: Int32)
        let calls = Mutex(0)

        init() throws {
            var ends: [Int32] = [-1, -1]
            try check("pipe", Glibc.pipe(&ends))
            pipe = (ends[0], ends[1])
        }

        deinit {
            close(pipe.read)
            close(pipe.write)
        }

        func call() {
            calls.withLock { $0 += 1 }
            var byte: UInt8 = 0
            while read(pipe.read, &byte, 1) < 0, errno == EINTR {}
        }

        func answer(_ count: Int) {
            let bytes = [UInt8](repeating: 1, count: count)
            #expect(write(pipe.write, bytes, count) == count)
        }
    }

    @Test func nobodyWaitsForASilentFolderAndItIsGoneOnWithOnceItAnswers() async throws {
        let server = try Server()
        let threads = WorkerThreads(limit: 2, patience: .milliseconds(60), silence: .silent)
        // More than there are threads: some wait for one.
        await withTaskGroup(of: Failure?.self) { group in
            for _ in 0..<12 {
                group.addTask { await Self.failure { () throws(Failure) in try await threads.run { server.call() } } }
            }
            for await failure in group { #expect(failure == .silent) }
        }
        let stuck = server.calls.withLock { $0 }
        #expect(stuck >= 2 && stuck <= 12)
        server.answer(stuck)
        // Threads are there for what comes.
        var answer: Int?
        for _ in 0..<500 where answer == nil {
            answer = try? await threads.run { 7 }
            if answer == nil { try await Task.sleep(for: .milliseconds(10)) }
        }
        #expect(answer == 7)
    }

    @Test func oneFolderThatIsSilentKeepsNoOtherWaiting() async throws {
        let folder = try TemporaryFolder()
        try folder.write("a.csv", [1])
        let reader = LocalSourceReader(threadLimit: 2, answersFromCache: false, patience: .seconds(30))
        let server = try Server()
        for _ in 0..<8 { reader.threads(of: "/mnt/server").submit { server.call() } }
        #expect(try await reader.look(at: .of("a.csv"), in: folder.path)?.observation.size == 1)
        #expect(await reader.problem(with: folder.path) == nil)
        server.answer(8)
    }

    private static func failure(_ body: () async throws(Failure) -> Void) async -> Failure? {
        do throws(Failure) {
            try await body()
            return nil
        } catch {
            return error
        }
    }
}

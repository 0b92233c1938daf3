import Glibc
import StatusServer
import SyncCore
import SystemPackage
import Testing

@testable import RedivisSyncCLI
@testable import SQLiteQueue

@Suite(.timeLimit(.minutes(1))) struct ControlClientTests {
    /// A socket that listens, and on which nothing is ever accepted or said.
    private final class SilentSocket {
        private let descriptor: Int32

        init(at path: FilePath) throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.string.utf8)) }
            let bound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard bound == 0, listen(descriptor, 1) == 0 else { throw Errno(rawValue: errno) }
        }

        func close() { Glibc.close(descriptor) }
    }

    @Test func withoutASocketNobodyAnswers() async throws {
        let folder = try TemporaryFolder()
        #expect(try await ControlClient(state: folder.path).answer(to: .status) == nil)
    }

    @Test func theSocketOfADeadAgentIsNobody() async throws {
        let folder = try TemporaryFolder()
        try SilentSocket(at: folder.path.appending(ControlWire.socketName)).close()
        #expect(try await ControlClient(state: folder.path).answer(to: .status) == nil)
    }

    @Test func anAgentThatHangsIsToldInWords() async throws {
        let folder = try TemporaryFolder()
        let silent = try SilentSocket(at: folder.path.appending(ControlWire.socketName))
        defer { silent.close() }
        let failure = await #expect(throws: CommandFailure.self) {
            _ = try await ControlClient(state: folder.path).answer(to: .status, within: .milliseconds(300))
        }
        #expect(failure?.status == .stateHeld)
        #expect(failure?.text().contains("does not answer") == true)
    }

    @Test func aServerAndThisClientUnderstandEachOther() async throws {
        struct Agent: AgentControl {
            func answer(to request: ControlRequest) async -> ControlAnswer {
                var outcome = ControlOutcome()
                outcome.change("\(request)")
                return .done(outcome)
            }
        }
        // A name with characters that mean something in an address.
        let folder = try TemporaryFolder()
        let state = folder.path.appending("a b%2F?#気")
        mkdir(state.string, 0o700)
        let (listening, announce) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await ControlServer(in: state, control: Agent()).run { announce.yield() } }
            for await _ in listening { break }
            var outcome = ControlOutcome()
            outcome.change("\(ControlRequest.pause(mapping: nil))")
            #expect(try await ControlClient(state: state).answer(to: .pause(mapping: nil)) == .done(outcome))
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}

@Suite struct ControlWordsTests {
    private func change(_ before: (inout Pauses) -> Void, _ after: (inout Pauses) -> Void) -> PauseChange {
        var (first, last) = (Pauses(), Pauses())
        before(&first)
        after(&last)
        return PauseChange(before: first, after: last)
    }

    @Test func pausingTwiceIsNoFailure() throws {
        let weather = try Given.mapping().id
        let again = QueueControl.paused(weather, change({ $0.byHand = [weather] }, { $0.byHand = [weather] }))
        #expect(again.changed == ["weather: paused already"])
        let fresh = QueueControl.paused(nil, change({ _ in }, { $0.isEverything = true }))
        #expect(fresh.changed == ["all mappings: paused; what has begun goes on to its end"])
    }

    @Test func whatStaysPausedIsToldWithWhatEndsIt() throws {
        let weather = try Given.mapping().id
        let byFile = QueueControl.resumed(nil, change({ $0.isEverything = true }, { $0.byFile = [weather] }))
        #expect(byFile.changed == ["all mappings: resumed"])
        #expect(
            byFile.refused == [
                "weather: still paused: the mapping file pauses it; take `paused: true` out of the mapping file"
            ])
        let everything = QueueControl.resumed(weather, change({ $0.isEverything = true }, { $0.isEverything = true }))
        #expect(everything.refused == ["weather: still paused: all mappings are paused; redivis-sync resume"])
        let nothing = QueueControl.resumed(weather, change({ _ in }, { _ in }))
        #expect(nothing.changed == ["weather: is not paused"])
    }

    @Test(arguments: [
        (ControlRefusal.Kind.wrongRequest, Status.usage), (.unavailable, .somethingLeft),
        (.stateUnusable, .stateUnusable),
    ])
    func aRefusalHasItsStatusAndItsRemedy(_ kind: ControlRefusal.Kind, _ status: Status) {
        let failure = CommandFailure(ControlRefusal(kind, "no", remedy: "do that"))
        #expect(failure.status == status)
        #expect(failure.text() == "redivis-sync: no; do that\n")
    }
}

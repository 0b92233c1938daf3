import SyncCore
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import SyncEngine

extension Review {
    @Suite struct FolderSupervisorTests {
        /// Sources whose folders are asked for by way of the test.
        private struct AskedSources: SourceReader {
            let inner: any SourceReader
            /// Comes before the folder's own word, which counts where this has none.
            let problem: @Sendable (FilePath) async -> Failure?

            func problem(with folder: FilePath) async -> Failure? {
                if let problem = await problem(folder) { return problem }
                return await inner.problem(with: folder)
            }

            func look(at path: RelativePath, in folder: FilePath) async throws(Failure) -> FileLook? {
                try await inner.look(at: path, in: folder)
            }

            func open(_ path: RelativePath, in folder: FilePath) async throws(Failure) -> any OpenSource {
                try await inner.open(path, in: folder)
            }

            func root(of folder: FilePath) async -> FolderRoot? { await inner.root(of: folder) }

            func device(above path: RelativePath, in folder: FilePath) async -> UInt64? {
                await inner.device(above: path, in: folder)
            }
        }

        /// A server that has gone away: no question is ever answered, and none can be taken back.
        private final class HangingServer: Sendable {
            private let asked = Mutex<[CheckedContinuation<Void, Never>]>([])

            deinit { for one in asked.withLock({ $0 }) { one.resume() } }

            var isAsked: Bool { asked.withLock { !$0.isEmpty } }

            func ask() async { await withCheckedContinuation { one in asked.withLock { $0.append(one) } } }

            /// It is back.
            func answer() {
                for one in asked.withLock({ asked in
                    defer { asked = [] }
                    return asked
                }) { one.resume() }
            }
        }

        @Test func anEditDoesNotWaitForAFolderThatDoesNotAnswer() async throws {
            let fixture = try ReviewFixture()
            try fixture.write("a/1.csv", [1])
            try fixture.write("b/2.csv", [2])
            let queue = try await fixture.openQueue()
            let plain = fixture.ports(queue)
            let (server, silent) = (HangingServer(), fixture.folder("a"))
            let sources = AskedSources(inner: plain.sources) { folder in
                if folder == silent { await server.ask() }
                return nil
            }
            let ports = EnginePorts(
                clock: fixture.clock, scanner: plain.scanner, sources: sources, queue: queue, remote: fixture.remote,
                random: { 0.5 })
            let scanned = Mutex<[MappingID]>([])
            let run = AgentRun(
                configuration: Configuration(settings: AgentSettings(), mappings: [try fixture.mapping("a")]),
                ports: ports, watcher: NoWatcher(), host: "host"
            ) { report in
                if case .scanned(let mapping, _) = report { scanned.withLock { $0.append(mapping) } }
            }
            let task = Task { try await run.run() }
            while !server.isAsked { try await Task.sleep(for: .milliseconds(5)) }
            let polled = try fixture.mapping("b").polling
            try await run.takeUp(Configuration(settings: AgentSettings(), mappings: [polled]))
            while scanned.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(5)) }
            server.answer()
            try await Task.sleep(for: .milliseconds(100))
            // Who was sent away has nothing more to say.
            #expect(scanned.withLock { Set($0) } == [polled.id])
            task.cancel()
            try? await task.value
        }

        /// A start that waits for room on its disk goes by the mapping file as it is once there is room.
        @Test func anEditWhileTheStartWaitsIsNotUndone() async throws {
            let fixture = try ReviewFixture()
            try fixture.write("a/1.csv", [1])
            try fixture.write("b/2.csv", [2])
            let isTakenUp = Flag()
            let queue = QueueWithHooks(
                try await fixture.openQueue(), Activity(),
                before: CallHook { call, _ throws(Failure) in
                    guard call.operation == .beginRun, !isTakenUp.isRaised else { return }
                    throw Failure(.stateUnavailable, scope: .agent, "the disk is full")
                })
            let waits = Flag()
            let scanned = Mutex<Set<MappingID>>([])
            let run = AgentRun(
                configuration: Configuration(
                    settings: AgentSettings(), mappings: [try fixture.mapping("a").polling]),
                ports: fixture.ports(queue), watcher: NoWatcher(), host: "host"
            ) { report in
                switch report {
                case .queueProblem: waits.raise()
                case .scanned(let mapping, _): scanned.withLock { _ = $0.insert(mapping) }
                case .folderProblem, .folderState, .folderRoot, .tableReady, .tableProblem, .tableAnswers,
                    .sourceProblem, .filesAway, .sending, .moved, .alive:
                    break
                }
            }
            let task = Task { try await run.run() }
            while !waits.isRaised { try await Task.sleep(for: .milliseconds(5)) }
            let edited = try fixture.mapping("b").polling
            try await run.takeUp(Configuration(settings: AgentSettings(), mappings: [edited]))
            isTakenUp.raise()
            for _ in 0..<1000 where scanned.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(10)) }
            #expect(scanned.withLock { $0 } == [edited.id])
            task.cancel()
            try? await task.value
        }

        /// Waits in the midst of a scan, as for a directory on a server that has gone away.
        private final class HangingScanner: FolderScanner {
            let isAsked = Flag()
            let answers = Flag()

            func scan(
                _ folder: FilePath, recursive: Bool, batchSize: Int,
                skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
                handle: @Sendable ([SeenFile]) async throws -> Void
            ) async throws -> ScanReport {
                isAsked.raise()
                while !answers.isRaised { try? await Task.sleep(for: .milliseconds(5)) }
                return ScanReport()
            }
        }

        @Test(.timeLimit(.minutes(1))) func aFolderThatFallsSilentUnderAScanIsTold() async throws {
            let fixture = try ReviewFixture()
            try fixture.write("a/1.csv", [1])
            let queue = try await fixture.openQueue()
            let (isSilent, answersAgain) = (Flag(), Flag())
            let scanner = HangingScanner()
            let ports = EnginePorts(
                clock: fixture.clock, scanner: scanner,
                sources: AskedSources(inner: fixture.ports(queue).sources) { _ in
                    isSilent.isRaised && !answersAgain.isRaised
                        ? Failure(.sourceGone, scope: .destination, "it does not answer") : nil
                },
                queue: queue, remote: fixture.remote, random: { 0.5 })
            let told = Mutex<[String]>([])
            let run = AgentRun(
                configuration: Configuration(settings: AgentSettings(), mappings: [try fixture.mapping("a").polling]),
                ports: ports, watcher: NoWatcher(), host: "host"
            ) { report in
                guard case .folderState(_, let state) = report else { return }
                let word =
                    switch state {
                    case .scanning: "scanning"
                    case .unmounted(let failure): failure.summary
                    case .watching, .polling, .partly: "scanned"
                    }
                told.withLock { $0.append(word) }
            }
            let task = Task { try await run.run() }
            func until(_ states: [String]) async throws {
                while told.withLock({ Array($0.prefix(states.count)) }) != states {
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            while !scanner.isAsked.isRaised { try await Task.sleep(for: .milliseconds(5)) }
            isSilent.raise()
            try await until(["scanning", "it does not answer"])
            answersAgain.raise()
            try await until(["scanning", "it does not answer", "scanning"])
            scanner.answers.raise()
            try await until(["scanning", "it does not answer", "scanning", "scanned"])
            task.cancel()
            try? await task.value
        }
    }
}

extension Mapping {
    fileprivate var polling: Mapping {
        Mapping(
            id: id, folder: folder, table: table, include: include, existing: existing, settle: settle,
            uploadName: uploadName, watch: .poll)
    }
}

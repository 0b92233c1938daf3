import SyncCore
import SystemPackage

/// Which files cannot be reached because their file system is away: all of a mapping and a device together. They rest
/// together, are asked for by one question, and are one problem.
///
/// A runner that misses a file says so here; from then on the queue hands out none of those files until the file system
/// is there again.
actor AwayFiles {
    private struct Place: Hashable {
        let mapping: MappingID
        /// `st_dev` when the files settled.
        let device: UInt64
    }

    private let configuration: LiveConfiguration
    private let ports: EnginePorts
    private let roots: KnownRoots
    private let observer: EngineObserver
    private let onBack: @Sendable () async -> Void
    private let bell = WorkBell()
    /// With a path that lay there.
    private var away: [Place: RelativePath] = [:]
    /// Files of these were handed out since they were last taken out of the work.
    private var met: Set<Place> = []

    /// How often it is asked whether a file system is there again.
    static let probePause: Duration = .seconds(10)
    /// How soon what was handed out meanwhile is taken out of the work.
    static let sweepPause: Duration = .seconds(1)

    init(
        configuration: LiveConfiguration, ports: EnginePorts, roots: KnownRoots, observer: @escaping EngineObserver,
        onBack: @escaping @Sendable () async -> Void
    ) {
        self.configuration = configuration
        self.ports = ports
        self.roots = roots
        self.observer = observer
        self.onBack = onBack
    }

    /// A file was missed, and nothing can be said of it: see `EffectPerformer.judged`.
    func note(_ delivery: Delivery, _ failure: Failure) async {
        let place = Place(mapping: delivery.mapping, device: delivery.observation.device)
        if away[place] == nil {
            away[place] = delivery.path
            observer(.filesAway(place.mapping, device: place.device, failure))
        }
        met.insert(place)
        await bell.ring()
    }

    /// Runs until it is cancelled.
    func run() async {
        var nextProbe = ports.clock.now().monotonic
        while !Task.isCancelled {
            await sweep()
            let now = ports.clock.now().monotonic
            if away.isEmpty || now.reached(nextProbe) != false {
                await probe()
                nextProbe = ports.clock.now().monotonic.advanced(by: Self.probePause)
            }
            guard !away.isEmpty else {
                await bell.wait(atMost: AgentRun.longestPause, on: ports.clock)
                nextProbe = ports.clock.now().monotonic.advanced(by: Self.probePause)
                continue
            }
            // Rings that come one after the other are one sweep.
            try? await ports.clock.sleep(for: Self.sweepPause)
        }
    }

    private func sweep() async {
        for place in met {
            do throws(Failure) {
                try await ports.queue.noteDevice(
                    place.device, isAway: true, of: place.mapping, now: ports.clock.now())
                met.remove(place)
            } catch {
                observer(.queueProblem(error))
            }
        }
    }

    private func probe() async {
        for (place, path) in away where await isBack(place, path) {
            do throws(Failure) {
                try await ports.queue.noteDevice(
                    place.device, isAway: false, of: place.mapping, now: ports.clock.now())
                away[place] = nil
                met.remove(place)
                observer(.filesAway(place.mapping, device: place.device, nil))
                await onBack()
            } catch {
                observer(.queueProblem(error))
            }
        }
    }

    /// Also where nobody maps its folder any more: then its rows rest for that.
    private func isBack(_ place: Place, _ path: RelativePath) async -> Bool {
        guard let mapping = configuration.current.mapping(place.mapping) else { return true }
        guard let root = await ports.sources.root(of: mapping.folder), roots.isKnown(root, of: mapping.folder) else {
            return false
        }
        return await ports.sources.device(above: path, in: mapping.folder) == place.device
    }
}

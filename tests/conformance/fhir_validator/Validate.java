import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.*;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.dstu3.model.*;

/**
 * Validates FHIR STU3 files against published profiles: {@code java Validate.java SPECIFICATIONS FILE...}, or against
 * FHIR alone if SPECIFICATIONS is empty.
 *
 * <p>Prints a line for each finding: file, severity, place and words, with tabs between. What the published profiles
 * lack is made up for in three ways, each of which leaves the validator no milder than the profiles mean it to be.
 */
public class Validate {
  private static final String SNOMED = "http://snomed.info/sct";
  private static final String STRUCTURE = "http://hl7.org/fhir/StructureDefinition/";

  public static void main(String[] arguments) throws Exception {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    FhirContext context = FhirContext.forDstu3();
    DefaultProfileValidationSupport base = new DefaultProfileValidationSupport(context);
    PrePopulatedValidationSupport published = new PrePopulatedValidationSupport(context);
    Set<String> extensions = new TreeSet<>();
    for (String folder : arguments[0].isEmpty() ? List.<String>of() : List.of("profiles", "codesystems")) {
      for (Path file : files(Path.of(arguments[0], folder))) {
        Resource resource = (Resource) context.newXmlParser().parseResource(text(file));
        if (resource instanceof StructureDefinition profile) {
          extensions.addAll(namedExtensions(profile));
          published.addStructureDefinition(mended(profile));
        } else if (resource instanceof CodeSystem system) {
          published.addCodeSystem(system);
          if (system.hasValueSet()) {
            published.addValueSet(allOf(system));
          }
        }
      }
    }
    for (String url : extensions) {
      if (published.fetchStructureDefinition(url) == null && base.fetchStructureDefinition(url) == null) {
        published.addStructureDefinition(stub(url));
      }
    }
    FhirInstanceValidator profiles = new FhirInstanceValidator(new CachingValidationSupport(
        new ValidationSupportChain(base, published, new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context), new SnapshotGeneratingValidationSupport(context))));
    // A resource whose profile is not published here is held to the base definition of its type.
    profiles.setErrorForUnknownProfiles(false);
    FhirValidator validator = context.newValidator().registerValidatorModule(profiles);
    for (String file : List.of(arguments).subList(1, arguments.length)) {
      try {
        for (SingleValidationMessage each : validator.validateWithResult(text(Path.of(file))).getMessages()) {
          String words = each.getMessage().replaceAll("\\s+", " ");
          out.println(String.join("\t", file, each.getSeverity().name(), each.getLocationString(), words));
        }
      } catch (Exception | Error refused) { // the validator itself stumbles over some broken messages
        out.println(String.join("\t", file, "FATAL", "", ("" + refused.getMessage()).replaceAll("\\s+", " ")));
      }
    }
  }

  private static List<Path> files(Path folder) throws Exception {
    try (Stream<Path> found = Files.list(folder)) {
      return found.filter(each -> each.toString().endsWith(".xml")).sorted().toList();
    }
  }

  private static String text(Path file) throws Exception {
    return Files.readString(file).replace("\uFEFF", "");
  }

  private static List<String> namedExtensions(StructureDefinition profile) {
    return profile.getSnapshot().getElement().stream().flatMap(element -> element.getType().stream())
        .filter(type -> "Extension".equals(type.getCode()) && type.hasProfile())
        .map(ElementDefinition.TypeRefComponent::getProfile).toList();
  }

  /**
   * The profile without two faults of its published form. A Bundle's snapshot lists the elements of Resource below
   * entry.resource, and so forbids those of every real resource: it is made afresh from the differential. A slice for
   * SNOMED CT is told by its system, which no one fixed.
   */
  private static StructureDefinition mended(StructureDefinition profile) {
    if ("Bundle".equals(profile.getType())) {
      profile.setSnapshot(null);
    }
    for (ElementDefinition element : profile.getSnapshot().getElement()) {
      if (element.getId().endsWith(":snomedCT.system") && !element.hasFixed()) {
        element.setFixed(new UriType(SNOMED));
      }
    }
    return profile;
  }

  /** The value set that a code system names as all of it. */
  private static ValueSet allOf(CodeSystem system) {
    ValueSet all = new ValueSet();
    all.setUrl(system.getValueSet()).setStatus(Enumerations.PublicationStatus.ACTIVE);
    all.getCompose().addInclude().setSystem(system.getUrl());
    return all;
  }

  /** A stand-in for an extension that a profile names and that is not published beside it: any value will do. */
  private static StructureDefinition stub(String url) {
    StructureDefinition extension = new StructureDefinition();
    extension.setUrl(url).setName("Stub").setStatus(Enumerations.PublicationStatus.DRAFT).setFhirVersion("3.0.1")
        .setKind(StructureDefinition.StructureDefinitionKind.COMPLEXTYPE).setAbstract(false)
        .setContextType(StructureDefinition.ExtensionContext.RESOURCE).addContext("Element").setType("Extension")
        .setBaseDefinition(STRUCTURE + "Extension").setDerivation(StructureDefinition.TypeDerivationRule.CONSTRAINT);
    extension.getDifferential().addElement().setPath("Extension").setId("Extension");
    extension.getDifferential().addElement().setPath("Extension.url").setFixed(new UriType(url))
        .setId("Extension.url");
    return extension;
  }
}
